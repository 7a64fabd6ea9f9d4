package tracee

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lathe-build/lathe/profile/foreign"
)

// event is one event.
type event struct {
	Timestamp stamp    `json:"timestamp"`
	Name      string   `json:"name"`
	EventName string   `json:"eventName"` // of the older generation
	Workload  workload `json:"workload"`
	Data      []datum  `json:"data"`
}

type workload struct {
	Process   process   `json:"process"`
	Container container `json:"container"`
	K8s       k8s       `json:"k8s"`
}

type process struct {
	Thread     thread      `json:"thread"`
	UniqueID   foreign.Int `json:"unique_id"`
	PID        foreign.Int `json:"pid"`
	HostPID    foreign.Int `json:"host_pid"`
	RealUser   *user       `json:"real_user"`
	Executable executable  `json:"executable"`
	Ancestors  []ancestor  `json:"ancestors"`
}

type thread struct {
	UniqueID foreign.Int `json:"unique_id"`
}

type user struct {
	ID foreign.Int `json:"id"`
}

type executable struct {
	Path string `json:"path"`
}

type ancestor struct {
	UniqueID foreign.Int  `json:"unique_id"`
	HostPID  foreign.Int  `json:"host_pid"`
	PID      *foreign.Int `json:"pid"`
}

type container struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Image   image  `json:"image"`
	Started *bool  `json:"started"`
}

type image struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	RepoDigests []string `json:"repo_digests"`
}

type k8s struct {
	Pod       pod       `json:"pod"`
	Namespace namespace `json:"namespace"`
}

type pod struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

type namespace struct {
	Name string `json:"name"`
}

func (w *workload) subject() foreign.Subject {
	s := foreign.Subject{
		Namespace: w.K8s.Namespace.Name, Pod: w.K8s.Pod.Name, Container: w.Container.Name, ID: w.Container.ID,
		Image: w.Container.Image.Name,
	}
	if s.Image == "" {
		s.Image = w.Container.Image.ID
	}
	return s
}

// process is what a process is known by.
func (w *workload) process() foreign.Int {
	for _, id := range []foreign.Int{w.Process.UniqueID, w.Process.Thread.UniqueID, w.Process.HostPID} {
		if id != 0 {
			return id
		}
	}
	return w.Process.PID
}

// datum is one value of an event by its name: one of the others is there.
type datum struct {
	Name      string         `json:"name"`
	Str       *string        `json:"str"`
	Int32     *foreign.Int   `json:"int32"`
	Uint32    *foreign.Int   `json:"uint32"`
	Int64     *foreign.Int   `json:"int64"`
	Uint64    *foreign.Int   `json:"uint64"`
	StrArray  jsontext.Value `json:"str_array"`
	Sockaddr  *sockaddr      `json:"sockaddr"`
	Questions jsontext.Value `json:"dns_questions"`
	Responses jsontext.Value `json:"dns_responses"`
}

// sockaddr is an address of a socket.
type sockaddr struct {
	Family   string      `json:"sa_family"`
	SunPath  string      `json:"sun_path"`
	SinAddr  string      `json:"sin_addr"`
	SinPort  foreign.Int `json:"sin_port"`
	Sin6Addr string      `json:"sin6_addr"`
	Sin6Port foreign.Int `json:"sin6_port"`
}

func (s *sockaddr) end() (ip string, port int) {
	if s.Sin6Addr != "" {
		return s.Sin6Addr, int(s.Sin6Port)
	}
	return s.SinAddr, int(s.SinPort)
}

// get is a value by its name, or nil.
func (e *event) get(name string) *datum {
	for i := range e.Data {
		if e.Data[i].Name == name {
			return &e.Data[i]
		}
	}
	return nil
}

// text is the string of a value, "" where there is none.
func (e *event) text(name string) string {
	if d := e.get(name); d != nil && d.Str != nil {
		return *d.Str
	}
	return ""
}

// number is the number of a value, and whether there is one.
func (e *event) number(name string) (int64, bool) {
	d := e.get(name)
	if d == nil {
		return 0, false
	}
	for _, n := range []*foreign.Int{d.Int32, d.Uint32, d.Int64, d.Uint64} {
		if n != nil {
			return int64(*n), true
		}
	}
	return 0, false
}

// list is the strings of a value: an array, or one wrapped as {"value": []}.
func (d *datum) list() []string {
	if d == nil || len(d.StrArray) == 0 {
		return nil
	}
	var list []string
	if foreign.DecodeExact(d.StrArray, &list) == nil {
		return list
	}
	var wrapped struct {
		Value []string `json:"value"`
	}
	if foreign.DecodeExact(d.StrArray, &wrapped) != nil {
		return nil
	}
	return wrapped.Value
}

// stamp is a time as RFC 3339, in nanoseconds, or as seconds and nanos.
type stamp struct{ time.Time }

// UnmarshalJSONFrom reads the time.
func (s *stamp) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	value, err := in.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case '{':
		var v struct {
			Seconds foreign.Int `json:"seconds"`
			Nanos   foreign.Int `json:"nanos"`
		}
		if err := foreign.DecodeExact(value, &v); err != nil {
			return err
		}
		s.Time = time.Unix(int64(v.Seconds), int64(v.Nanos)).UTC()
	case '"':
		var text string
		if err := foreign.DecodeExact(value, &text); err != nil {
			return err
		}
		s.Time = foreign.Time(text)
	default:
		var n foreign.Int
		if err := foreign.DecodeExact(value, &n); err != nil {
			return err
		}
		s.Time = foreign.Nanoseconds(int64(n))
	}
	return nil
}
