package hubble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile/foreign"
)

// flowOf is a flow from a port of the pod web-1 to one of a peer, with more members.
func flowOf(from, to int, more string) string {
	return fmt.Sprintf(`{"flow":{"verdict":"FORWARDED","IP":{"source":"10.0.0.9","destination":"192.0.2.5"},"l4":{"TCP":{"source_port":%d,"destination_port":%d,"flags":{"SYN":true}}},"source":{"namespace":"n","pod_name":"web-1"},"traffic_direction":"EGRESS"%s}}`+"\n", from, to, more)
}

func TestTraps(t *testing.T) {
	t.Parallel()
	to := "connect tcp 192.0.2.5 443 [in-progress] [pod] []"
	first := flowOf(40000, 443, `,"is_reply":false`)
	udp := strings.Replace(first, "TCP", "UDP", 1)
	for name, tc := range map[string]struct {
		text string
		want []string
		note string
	}{
		"nobody in particular":        {first, []string{to}, "executables and containers are not known"},
		"a reply":                     {first + flowOf(8080, 50000, `,"is_reply":true`), []string{to}, ""},
		"a reply that does not say":   {first + strings.Replace(flowOf(8080, 50000, ""), `"SYN":true`, `"ACK":true`, 1), []string{to}, "1 flows that do not tell who began them are left out"},
		"the answer to a handshake":   {first + strings.Replace(flowOf(8080, 50000, ""), `"SYN":true`, `"SYN":true,"ACK":true`, 1), []string{to}, "1 flows that do not tell who began them"},
		"UDP that does not say":       {first + strings.Replace(udp, `,"is_reply":false`, "", 1), []string{to}, "1 flows that do not tell who began them"},
		"UDP, new":                    {strings.Replace(udp, `"is_reply":false`, `"trace_reason":"NEW"`, 1), []string{"connect udp 192.0.2.5 443 [sent] [pod] []"}, ""},
		"observed twice":              {first + strings.Replace(first, `"is_reply"`, `"trace_observation_point":"TO_STACK","is_reply"`, 1), []string{to}, ""},
		"dropped":                     {strings.Replace(first, "FORWARDED", "DROPPED", 1), []string{"connect tcp 192.0.2.5 443 [denied] [pod] []"}, ""},
		"behind a service":            {flowOf(1, 443, `,"is_reply":false,"destination_service":{"name":"api","namespace":"shop"}`), []string{to + " via shop/api"}, ""},
		"named by the proxy":          {flowOf(1, 443, `,"is_reply":false,"destination_names":["api.example"]`), []string{"connect tcp 192.0.2.5 443 [in-progress] [pod] [api.example hubble]"}, ""},
		"a verdict that is not known": {first + strings.Replace(flowOf(2, 99, `,"is_reply":false`), "FORWARDED", "MAYBE", 1), []string{to}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, tc.text, foreign.Options{})
			var got []string
			for _, c := range p.Network.Connect {
				line := fmt.Sprint("connect ", c.Proto, " ", c.Peer.IP, " ", c.Port, " ", c.Results, " ", c.Attribution, " ", append(c.Peer.Names, c.Peer.NameSource...))
				if c.Via.Service != "" {
					line += " via " + c.Via.Service
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || len(p.Network.Accept)+len(p.Executables) > 0 {
				t.Error(diff, p.Network.Accept)
			}
			if notes := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}
