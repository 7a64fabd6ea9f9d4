package events

import "encoding/json"

// What an importer that decodes with encoding/json would declare: the members
// that the importers of this module read, as plain types without methods.

type standardTetragon struct {
	Exec       *standardActivity `json:"process_exec"`
	Exit       *standardActivity `json:"process_exit"`
	Kprobe     *standardActivity `json:"process_kprobe"`
	LSM        *standardActivity `json:"process_lsm"`
	Tracepoint *standardActivity `json:"process_tracepoint"`
	Uprobe     *standardActivity `json:"process_uprobe"`
	Loader     *standardActivity `json:"process_loader"`
	Connect    *standardActivity `json:"process_connect"`
	Listen     *standardActivity `json:"process_listen"`
	RateLimit  *struct {
		Dropped int64 `json:"number_of_dropped_process_events,string"`
	} `json:"rate_limit_info"`
	Time string `json:"time"`
}

type standardActivity struct {
	Process  standardProcess `json:"process"`
	Parent   standardProcess `json:"parent"`
	Function string          `json:"function_name"`
	Policy   string          `json:"policy_name"`
	Args     []standardArg   `json:"args"`
	Return   *standardArg    `json:"return"`
	Path     string          `json:"path"`

	DestinationIP    string   `json:"destination_ip"`
	DestinationPort  int64    `json:"destination_port"`
	DestinationNames []string `json:"destination_names"`
	IP               string   `json:"ip"`
	Port             int64    `json:"port"`
	Protocol         string   `json:"protocol"`
}

type standardProcess struct {
	UID        *int64 `json:"uid"`
	CWD        string `json:"cwd"`
	Binary     string `json:"binary"`
	Flags      string `json:"flags"`
	StartTime  string `json:"start_time"`
	Docker     string `json:"docker"`
	InInitTree *bool  `json:"in_init_tree"`
	Pod        struct {
		Namespace    string `json:"namespace"`
		Name         string `json:"name"`
		Workload     string `json:"workload"`
		WorkloadKind string `json:"workload_kind"`
		Container    struct {
			ID    string `json:"id"`
			Name  string `json:"name"`
			PID   int64  `json:"pid"`
			Image struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"image"`
			MaybeExecProbe bool `json:"maybe_exec_probe"`
		} `json:"container"`
	} `json:"pod"`
	Properties struct {
		File standardFile `json:"file"`
	} `json:"binary_properties"`
}

type standardArg struct {
	File       *standardFile `json:"file_arg"`
	Path       *standardFile `json:"path_arg"`
	Binprm     *standardFile `json:"linux_binprm_arg"`
	SockaddrUn *standardFile `json:"sockaddrun_arg"`
	Sock       *struct {
		Protocol string `json:"protocol"`
		Saddr    string `json:"saddr"`
		Daddr    string `json:"daddr"`
		Sport    int64  `json:"sport"`
		Dport    int64  `json:"dport"`
	} `json:"sock_arg"`
	Sockaddr *struct {
		Family string `json:"family"`
		Addr   string `json:"addr"`
		Port   int64  `json:"port"`
	} `json:"sockaddr_arg"`
	Int        *int64  `json:"int_arg"`
	Uint       *int64  `json:"uint_arg"`
	Long       *string `json:"long_arg"`
	Size       *string `json:"size_arg"`
	String     *string `json:"string_arg"`
	Capability *struct {
		Name string `json:"name"`
	} `json:"capability_arg"`
}

type standardFile struct {
	Path  string `json:"path"`
	Flags string `json:"flags"`
}

type standardGadget struct {
	Timestamp    string `json:"timestamp"`
	TimestampRaw int64  `json:"timestamp_raw"`
	Proc         struct {
		Comm  string `json:"comm"`
		PID   int64  `json:"pid"`
		Creds *struct {
			UID int64 `json:"uid"`
		} `json:"creds"`
		Parent struct {
			Comm string `json:"comm"`
			PID  int64  `json:"pid"`
		} `json:"parent"`
	} `json:"proc"`
	Runtime struct {
		ContainerID   string `json:"containerId"`
		ContainerName string `json:"containerName"`
		ImageName     string `json:"containerImageName"`
		ImageDigest   string `json:"containerImageDigest"`
	} `json:"runtime"`
	K8s struct {
		Namespace     string `json:"namespace"`
		PodName       string `json:"podName"`
		ContainerName string `json:"containerName"`
		PodLabels     string `json:"podLabels"`
		Owner         struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"owner"`
	} `json:"k8s"`
	Comm     *string `json:"comm"`
	PID      int64   `json:"pid"`
	UID      int64   `json:"uid"`
	Error    string  `json:"error"`
	ErrorRaw int64   `json:"error_raw"`
	Err      int64   `json:"err"`

	Exepath       *string `json:"exepath"`
	File          string  `json:"file"`
	Cwd           string  `json:"cwd"`
	ParentExepath string  `json:"parent_exepath"`
	Args          string  `json:"args"`
	UpperLayer    bool    `json:"upper_layer"`
	FromRootfs    *bool   `json:"from_rootfs"`
	TTY           int64   `json:"tty"`

	Fname    *string `json:"fname"`
	Fpath    string  `json:"fpath"`
	Path     *string `json:"path"`
	Flags    string  `json:"flags"`
	FlagsRaw int64   `json:"flags_raw"`

	Type string            `json:"type"`
	Src  *standardEndpoint `json:"src"`
	Dst  *standardEndpoint `json:"dst"`
	Addr *standardEndpoint `json:"addr"`

	Name      *string `json:"name"`
	Qtype     string  `json:"qtype"`
	Qr        *string `json:"qr"`
	Addresses string  `json:"addresses"`
	PktType   string  `json:"pkt_type"`
	Cap       *string `json:"cap"`
	Capable   bool    `json:"capable"`
}

type standardEndpoint struct {
	Addr  string `json:"addr"`
	Port  int64  `json:"port"`
	Proto string `json:"proto"`
	K8s   struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		Labels    string `json:"labels"`
		PodLabels string `json:"podLabels"`
	} `json:"k8s"`
}

type standardTracee struct {
	Timestamp string `json:"timestamp"`
	Name      string `json:"name"`
	EventName string `json:"eventName"`
	Workload  struct {
		Process struct {
			Thread struct {
				UniqueID int64 `json:"unique_id"`
			} `json:"thread"`
			UniqueID int64 `json:"unique_id"`
			PID      int64 `json:"pid"`
			HostPID  int64 `json:"host_pid"`
			RealUser *struct {
				ID int64 `json:"id"`
			} `json:"real_user"`
			Executable struct {
				Path string `json:"path"`
			} `json:"executable"`
			Ancestors []struct {
				UniqueID int64  `json:"unique_id"`
				HostPID  int64  `json:"host_pid"`
				PID      *int64 `json:"pid"`
			} `json:"ancestors"`
		} `json:"process"`
		Container struct {
			ID    string `json:"id"`
			Name  string `json:"name"`
			Image struct {
				ID          string   `json:"id"`
				Name        string   `json:"name"`
				RepoDigests []string `json:"repo_digests"`
			} `json:"image"`
			Started *bool `json:"started"`
		} `json:"container"`
		K8s struct {
			Pod struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"pod"`
			Namespace struct {
				Name string `json:"name"`
			} `json:"namespace"`
		} `json:"k8s"`
	} `json:"workload"`
	Data []struct {
		Name     string          `json:"name"`
		Str      *string         `json:"str"`
		Int32    *int64          `json:"int32"`
		Uint32   *int64          `json:"uint32"`
		Int64    *string         `json:"int64"`
		Uint64   *string         `json:"uint64"`
		StrArray json.RawMessage `json:"str_array"`
		Sockaddr *struct {
			Family   string `json:"sa_family"`
			SunPath  string `json:"sun_path"`
			SinAddr  string `json:"sin_addr"`
			SinPort  int64  `json:"sin_port"`
			Sin6Addr string `json:"sin6_addr"`
			Sin6Port int64  `json:"sin6_port"`
		} `json:"sockaddr"`
		Questions json.RawMessage `json:"dns_questions"`
		Responses json.RawMessage `json:"dns_responses"`
	} `json:"data"`
}

type standardHubble struct {
	Flow *standardFlow `json:"flow"`
	Lost *struct {
		Events int64 `json:"num_events_lost"`
	} `json:"lost_events"`
	standardFlow
}

type standardFlow struct {
	Time    string `json:"time"`
	Verdict string `json:"verdict"`
	IP      struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
	} `json:"IP"`
	L4 struct {
		TCP    *standardPorts `json:"TCP"`
		UDP    *standardPorts `json:"UDP"`
		SCTP   *standardPorts `json:"SCTP"`
		ICMPv4 *struct{}      `json:"ICMPv4"`
		ICMPv6 *struct{}      `json:"ICMPv6"`
	} `json:"l4"`
	Source             standardPod `json:"source"`
	Destination        standardPod `json:"destination"`
	SourceNames        []string    `json:"source_names"`
	DestinationNames   []string    `json:"destination_names"`
	DestinationService struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"destination_service"`
	L7 *struct {
		Type string `json:"type"`
		DNS  *struct {
			Query  string   `json:"query"`
			IPs    []string `json:"ips"`
			Qtypes []string `json:"qtypes"`
		} `json:"dns"`
	} `json:"l7"`
	Direction string `json:"traffic_direction"`
	IsReply   *bool  `json:"is_reply"`
	Reason    string `json:"trace_reason"`
}

type standardPorts struct {
	Source      int64 `json:"source_port"`
	Destination int64 `json:"destination_port"`
	Flags       struct {
		SYN bool `json:"SYN"`
		ACK bool `json:"ACK"`
	} `json:"flags"`
}

type standardPod struct {
	Namespace string   `json:"namespace"`
	Labels    []string `json:"labels"`
	PodName   string   `json:"pod_name"`
	Workloads []struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	} `json:"workloads"`
}

// Standard is a new event of a stream for encoding/json to decode into.
func Standard(stream string) any {
	switch Format(stream) {
	case "tetragon":
		return new(standardTetragon)
	case "inspektor-gadget":
		return new(standardGadget)
	case "tracee":
		return new(standardTracee)
	default:
		return new(standardHubble)
	}
}

// Few is a new event of any stream, with a handful of its members.
func Few(string) any {
	return new(struct {
		Exec struct {
			Process struct{ Binary, Cwd string }
		} `json:"process_exec"`
		Fname, Fpath, Name string
		Flow               struct{ Verdict string }
	})
}
