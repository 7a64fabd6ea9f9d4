package inspektorgadget

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// record is the members of the records of all gadgets.
type record struct {
	Timestamp    stamp       `json:"timestamp"`
	TimestampRaw foreign.Int `json:"timestamp_raw"`
	Proc         proc        `json:"proc"`
	Runtime      container   `json:"runtime"`
	K8s          pod         `json:"k8s"`
	Comm         *string     `json:"comm"` // of old gadgets
	PID          foreign.Int `json:"pid"`
	UID          foreign.Int `json:"uid"`

	Error    string      `json:"error"`
	ErrorRaw foreign.Int `json:"error_raw"`
	Err      foreign.Int `json:"err"`

	// trace_exec
	Exepath       *string     `json:"exepath"`
	File          string      `json:"file"`
	Cwd           string      `json:"cwd"`
	ParentExepath string      `json:"parent_exepath"`
	Args          text        `json:"args"`
	UpperLayer    bool        `json:"upper_layer"`
	FromRootfs    *bool       `json:"from_rootfs"`
	TTY           foreign.Int `json:"tty"`

	// trace_open
	Fname    *string     `json:"fname"`
	Fpath    string      `json:"fpath"`
	Path     *string     `json:"path"` // of old gadgets
	Flags    text        `json:"flags"`
	FlagsRaw foreign.Int `json:"flags_raw"`

	// trace_tcp, trace_bind
	Type string    `json:"type"`
	Src  *endpoint `json:"src"`
	Dst  *endpoint `json:"dst"`
	Addr *endpoint `json:"addr"`

	// trace_dns, trace_sni
	Name      *string `json:"name"`
	Qtype     string  `json:"qtype"`
	Qr        *string `json:"qr"`
	Addresses text    `json:"addresses"`
	PktType   string  `json:"pkt_type"`

	// trace_capabilities
	Cap     *string `json:"cap"`
	Capable bool    `json:"capable"`
}

type container struct {
	ContainerID   string `json:"containerId"`
	ContainerName string `json:"containerName"`
	ImageName     string `json:"containerImageName"`
	ImageDigest   string `json:"containerImageDigest"`
}

type pod struct {
	Namespace     string `json:"namespace"`
	PodName       string `json:"podName"`
	ContainerName string `json:"containerName"`
	PodLabels     string `json:"podLabels"`
	Owner         owner  `json:"owner"`
}

type owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type proc struct {
	Comm   string      `json:"comm"`
	PID    foreign.Int `json:"pid"`
	Creds  *creds      `json:"creds"`
	Parent parent      `json:"parent"`
}

type parent struct {
	Comm string      `json:"comm"`
	PID  foreign.Int `json:"pid"`
}

type creds struct {
	UID foreign.Int `json:"uid"`
}

// endpoint is one end of a connection.
type endpoint struct {
	Addr  string      `json:"addr"`
	Port  foreign.Int `json:"port"`
	Proto protocol    `json:"proto"`
	K8s   object      `json:"k8s"`
}

// object is what is behind an address.
type object struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Labels    string `json:"labels"`
	PodLabels string `json:"podLabels"`
}

// peer is the other end as a profile has it.
func (e *endpoint) peer() profile.Peer {
	p := profile.Peer{IP: e.Addr}
	switch strings.ToLower(e.K8s.Kind) {
	case "pod":
		p.K8s.Kind = "Pod"
	case "svc", "service":
		p.K8s.Kind = "Service"
	default:
		return p
	}
	p.K8s.Namespace, p.K8s.Name = e.K8s.Namespace, e.K8s.Name
	p.K8s.Labels = labels(e.K8s.Labels + "," + e.K8s.PodLabels)
	return p
}

// labels reads k=v,k=v.
func labels(s string) map[string]string {
	var out map[string]string
	for pair := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}

// stamp is a time as RFC 3339, or in nanoseconds.
type stamp struct{ time.Time }

// UnmarshalJSONFrom reads the time; it is zero where there is none.
func (s *stamp) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	if in.PeekKind() == '"' {
		token, err := in.ReadToken()
		if err != nil {
			return err
		}
		s.Time = foreign.Time(token.String())
		return nil
	}
	var n foreign.Int
	err := n.UnmarshalJSONFrom(in)
	s.Time = foreign.Nanoseconds(int64(n))
	return err
}

// protocol is a protocol by its name or its number.
type protocol string

// UnmarshalJSONFrom reads the protocol, in lower case.
func (p *protocol) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	token, err := in.ReadToken()
	if err != nil {
		return err
	}
	*p = protocolOf(token.String())
	return nil
}

func protocolOf(s string) protocol {
	switch s {
	case "6":
		return "tcp"
	case "17":
		return "udp"
	default:
		return protocol(strings.ToLower(s))
	}
}

// text is a string, or a list of strings, which are joined by |.
type text struct {
	s     string
	given bool
}

// UnmarshalJSONFrom reads the string or list.
func (t *text) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	t.given = true
	if in.PeekKind() != '[' {
		token, err := in.ReadToken()
		if err == nil && token.Kind() == '"' {
			t.s = token.String()
		}
		return skipped(in, token, err)
	}
	if _, err := in.ReadToken(); err != nil {
		return err
	}
	var words []string
	for in.PeekKind() == '"' {
		token, err := in.ReadToken()
		if err != nil {
			return err
		}
		words = append(words, token.String())
	}
	t.s = strings.Join(words, "|")
	for in.PeekKind() != ']' {
		if err := in.SkipValue(); err != nil {
			return err
		}
	}
	_, err := in.ReadToken()
	return err
}

// skipped passes over the rest of an object whose first token was read.
func skipped(in *jsontext.Decoder, token jsontext.Token, err error) error {
	if err != nil || token.Kind() != '{' {
		return err
	}
	for in.PeekKind() != '}' {
		if err := in.SkipValue(); err != nil {
			return err
		}
	}
	_, err = in.ReadToken()
	return err
}

func (r *record) subject() foreign.Subject {
	s := foreign.Subject{
		Namespace: r.K8s.Namespace, Pod: r.K8s.PodName, Container: r.K8s.ContainerName,
		ID: r.Runtime.ContainerID, Image: r.Runtime.ImageDigest,
	}
	if s.Container == "" {
		s.Container = r.Runtime.ContainerName
	}
	if s.Image == "" {
		s.Image = r.Runtime.ImageName
	}
	return s
}

// at is the time of a record; zero where it counts from boot.
func (r *record) at() time.Time {
	if t := foreign.Nanoseconds(int64(r.TimestampRaw)); !t.IsZero() {
		return t
	}
	return r.Timestamp.Time
}

// pid is the process, as the host numbers it.
func (r *record) pid() int64 {
	if r.Proc.PID != 0 {
		return int64(r.Proc.PID)
	}
	return int64(r.PID)
}

// errno is the name of the error, "" for none.
func (r *record) errno(name func(int64) string) string {
	switch {
	case r.Error != "":
		return r.Error
	case r.ErrorRaw != 0:
		return orUnknown(name(int64(r.ErrorRaw)))
	case r.Err != 0:
		return orUnknown(name(int64(r.Err)))
	default:
		return ""
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "UNKNOWN"
	}
	return s
}
