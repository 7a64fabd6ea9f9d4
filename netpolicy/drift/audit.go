package drift

import (
	"fmt"
	"strings"

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
// classes made gives a finding for each class. The error is
// [netpolicy.ErrTooComplex].
func (j *Judge) Audit(list []netpolicy.Connection) ([]Finding, error) {
	out := make([]Finding, 0, len(list))
	w := &work{maxLooked}
	for i := range list {
		for _, part := range j.split(&list[i], w) {
			out = append(out, part.finding)
		}
		if err := w.enough(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxLooked bounds the rules that are looked at for connections in all.
const maxLooked = 1 << 25

func (w *work) enough() error {
	if w.left < 0 {
		return fmt.Errorf("%w: more than %d rules were looked at", netpolicy.ErrTooComplex, maxLooked)
	}
	return nil
}

// part is a connection as far as executables of one class made it.
type part struct {
	netpolicy.Connection
	finding Finding
}

// split takes a connection apart by the classes of its executables.
func (j *Judge) split(c *netpolicy.Connection, w *work) []part {
	r := j.rules[c.Direction]
	m := r.match(c, w)
	one := func(class Class, executables, foreign []string) part {
		p := part{Connection: *c}
		p.Executables, p.Foreign = executables, foreign
		p.finding = finding(&p.Connection, class, r.rule(&m))
		return p
	}
	if len(c.Executables) < 2 {
		return []part{one(j.class(c, c.Executables, c.Foreign, &m, w), c.Executables, c.Foreign)}
	}
	foreign := make(map[string]bool, len(c.Foreign))
	for _, key := range c.Foreign {
		foreign[key] = true
	}
	byClass, strange := map[Class][]string{}, map[Class][]string{}
	for i, key := range c.Executables {
		var own []string
		if foreign[key] {
			own = c.Executables[i : i+1]
		}
		class := j.class(c, c.Executables[i:i+1], own, &m, w)
		byClass[class] = append(byClass[class], key)
		strange[class] = append(strange[class], own...)
	}
	var parts []part
	for _, class := range Classes() {
		if keys := byClass[class]; len(keys) > 0 {
			parts = append(parts, one(class, keys, strange[class]))
		}
	}
	return parts
}

func finding(c *netpolicy.Connection, class Class, rule string) Finding {
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
	return string(f.Class) + "\x00" + f.Text + "\x00" + strings.Join(f.Executables, "\x00")
}
