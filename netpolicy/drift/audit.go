package drift

import (
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
)

// Finding is a classified connection: one line of an audit.
type Finding struct {
	Class       Class               `json:"class"`
	Direction   netpolicy.Direction `json:"direction"`
	Peer        netpolicy.Peer      `json:"peer"`
	Address     string              `json:"address,omitempty"`
	Names       []string            `json:"names,omitempty"`
	Protocol    string              `json:"protocol"`
	Port        uint16              `json:"port"`
	Executables []string            `json:"executables,omitempty"`
	Rule        string              `json:"rule,omitempty"` // id of the rule that is for it
	Outcome     []string            `json:"outcome,omitempty"`
	Count       int64               `json:"count,omitempty"`
	First       string              `json:"first,omitempty"` // RFC 3339, UTC
	Last        string              `json:"last,omitempty"`
	Text        string              `json:"text"` // for people
}

// Audit classifies connections, in their order. One that executables of several
// classes made gives a finding for each class.
func (j *Judge) Audit(list []netpolicy.Connection) []Finding {
	out := make([]Finding, 0, len(list))
	for i := range list {
		for _, c := range j.split(&list[i]) {
			out = append(out, j.finding(&c))
		}
	}
	return out
}

// split takes a connection apart by the classes of its executables.
func (j *Judge) split(c *netpolicy.Connection) []netpolicy.Connection {
	if len(c.Executables) < 2 {
		return []netpolicy.Connection{*c}
	}
	byClass := map[Class][]string{}
	for _, key := range c.Executables {
		one := *c
		one.Executables = []string{key}
		one.Foreign = nil
		if slices.Contains(c.Foreign, key) {
			one.Foreign = one.Executables
		}
		class, _ := j.Class(&one)
		byClass[class] = append(byClass[class], key)
	}
	var parts []netpolicy.Connection
	for _, class := range Classes() {
		if keys := byClass[class]; len(keys) > 0 {
			part := *c
			part.Executables = keys
			part.Foreign = slices.DeleteFunc(slices.Clone(c.Foreign), func(key string) bool { return !slices.Contains(keys, key) })
			parts = append(parts, part)
		}
	}
	return parts
}

func (j *Judge) finding(c *netpolicy.Connection) Finding {
	class, rule := j.Class(c)
	f := Finding{
		Class: class, Direction: c.Direction, Peer: c.Peer, Names: c.Names, Protocol: c.Protocol, Port: c.Port,
		Executables: c.Executables, Rule: rule, Outcome: c.Outcome, Count: c.Count, First: c.First, Last: c.Last, Text: c.String(),
	}
	if c.Addr.IsValid() {
		f.Address = c.Addr.String()
	}
	return f
}

// Key tells findings apart that are worth a line of their own: of a running
// stream each is shown once.
func (f *Finding) Key() string {
	key := string(f.Class) + "\x00" + f.Text
	for _, x := range f.Executables {
		key += "\x00" + x
	}
	return key
}
