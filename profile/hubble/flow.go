package hubble

import "github.com/lathe-build/lathe/profile/foreign"

// line is one line: a flow on its own, or in an envelope.
type line struct {
	Flow *flow `json:"flow"`
	Lost *lost `json:"lost_events"`
	flow
}

type lost struct {
	Events foreign.Int `json:"num_events_lost"`
}

type flow struct {
	Time               string   `json:"time"`
	Verdict            string   `json:"verdict"`
	IP                 ends     `json:"IP"`
	L4                 l4       `json:"l4"`
	Source             endpoint `json:"source"`
	Destination        endpoint `json:"destination"`
	SourceNames        []string `json:"source_names"`
	DestinationNames   []string `json:"destination_names"`
	DestinationService service  `json:"destination_service"`
	L7                 *l7      `json:"l7"`
	Direction          string   `json:"traffic_direction"`
	IsReply            *bool    `json:"is_reply"`
	Reason             string   `json:"trace_reason"`
}

type ends struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
}

type service struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type l7 struct {
	Type string `json:"type"`
	DNS  *dns   `json:"dns"`
}

type dns struct {
	Query  string   `json:"query"`
	IPs    []string `json:"ips"`
	Qtypes []string `json:"qtypes"`
}

type l4 struct {
	TCP    *ports    `json:"TCP"`
	UDP    *ports    `json:"UDP"`
	SCTP   *ports    `json:"SCTP"`
	ICMPv4 *struct{} `json:"ICMPv4"`
	ICMPv6 *struct{} `json:"ICMPv6"`
}

type ports struct {
	Source      foreign.Int `json:"source_port"`
	Destination foreign.Int `json:"destination_port"`
	Flags       flags       `json:"flags"`
}

type flags struct {
	SYN bool `json:"SYN"`
	ACK bool `json:"ACK"`
}

type endpoint struct {
	Namespace string     `json:"namespace"`
	Labels    []string   `json:"labels"`
	PodName   string     `json:"pod_name"`
	Workloads []workload `json:"workloads"`
}

type workload struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}
