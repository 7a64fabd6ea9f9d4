package tetragon

import "github.com/lathe-build/lathe/profile/foreign"

// event is one line of the export: one of the members is there.
type event struct {
	Exec       *activity  `json:"process_exec"`
	Exit       *activity  `json:"process_exit"`
	Kprobe     *activity  `json:"process_kprobe"`
	LSM        *activity  `json:"process_lsm"`
	Tracepoint *activity  `json:"process_tracepoint"`
	Uprobe     *activity  `json:"process_uprobe"`
	Loader     *activity  `json:"process_loader"`
	Connect    *activity  `json:"process_connect"`
	Listen     *activity  `json:"process_listen"`
	RateLimit  *rateLimit `json:"rate_limit_info"`
	Time       string     `json:"time"`
}

type rateLimit struct {
	Dropped foreign.Int `json:"number_of_dropped_process_events"`
}

// activity is the members of all kinds of events.
type activity struct {
	Process  process `json:"process"`
	Parent   process `json:"parent"`
	Function string  `json:"function_name"`
	Policy   string  `json:"policy_name"`
	Args     []arg   `json:"args"`
	Return   *arg    `json:"return"`
	Path     string  `json:"path"` // of process_loader

	// Of process_connect and process_listen.
	DestinationIP    string      `json:"destination_ip"`
	DestinationPort  foreign.Int `json:"destination_port"`
	DestinationNames []string    `json:"destination_names"`
	IP               string      `json:"ip"`
	Port             foreign.Int `json:"port"`
	Protocol         string      `json:"protocol"`
}

type process struct {
	UID        *foreign.Int `json:"uid"`
	CWD        string       `json:"cwd"`
	Binary     string       `json:"binary"`
	Flags      string       `json:"flags"`
	StartTime  string       `json:"start_time"`
	Docker     string       `json:"docker"`
	InInitTree *bool        `json:"in_init_tree"`
	Pod        pod          `json:"pod"`
	Properties properties   `json:"binary_properties"`
}

type properties struct {
	File program `json:"file"`
}

type program struct {
	Path string `json:"path"`
}

type pod struct {
	Namespace    string    `json:"namespace"`
	Name         string    `json:"name"`
	Workload     string    `json:"workload"`
	WorkloadKind string    `json:"workload_kind"`
	Container    container `json:"container"`
}

type container struct {
	ID             string      `json:"id"`
	Name           string      `json:"name"`
	PID            foreign.Int `json:"pid"`
	Image          image       `json:"image"`
	MaybeExecProbe bool        `json:"maybe_exec_probe"`
}

type image struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// arg is one argument of a function: one of the members is there.
type arg struct {
	File       *file        `json:"file_arg"`
	Path       *file        `json:"path_arg"`
	Binprm     *file        `json:"linux_binprm_arg"`
	Sock       *sock        `json:"sock_arg"`
	Sockaddr   *sockaddr    `json:"sockaddr_arg"`
	SockaddrUn *file        `json:"sockaddrun_arg"`
	Int        *foreign.Int `json:"int_arg"`
	Uint       *foreign.Int `json:"uint_arg"`
	Long       *foreign.Int `json:"long_arg"`
	Size       *foreign.Int `json:"size_arg"`
	String     *string      `json:"string_arg"`
	Capability *capability  `json:"capability_arg"`
}

type file struct {
	Path  string `json:"path"`
	Flags string `json:"flags"`
}

type sock struct {
	Protocol string      `json:"protocol"`
	Saddr    string      `json:"saddr"`
	Daddr    string      `json:"daddr"`
	Sport    foreign.Int `json:"sport"`
	Dport    foreign.Int `json:"dport"`
}

type sockaddr struct {
	Family string      `json:"family"`
	Addr   string      `json:"addr"`
	Port   foreign.Int `json:"port"`
}

type capability struct {
	Name string `json:"name"`
}

// number is the first whole number of an argument.
func (a *arg) number() (int64, bool) {
	for _, n := range []*foreign.Int{a.Int, a.Uint, a.Long, a.Size} {
		if n != nil {
			return int64(*n), true
		}
	}
	return 0, false
}
