package drift

import (
	"errors"
	"slices"
	"sort"

	"github.com/lathe-build/lathe/netpolicy"
)

// ErrTooComplex is of hints whose rules overlap so often that comparing them
// would take more than a fair amount of memory and time.
var ErrTooComplex = errors.New("the rules of the hints overlap too often to be compared")

// maxSteps bounds what is looked at when two hints are compared: blocks times
// runs of ports. A hint of 10,000 peers with ten ports each takes 100,000.
const maxSteps = 4 << 20

// work counts down what may still be looked at.
type work struct{ left int }

func (w *work) step(n int) error {
	if w.left -= max(n, 1); w.left < 0 {
		return ErrTooComplex
	}
	return nil
}

// region is everything that one direction of a hint allows: runs of ports in
// which every port has the same peers. A port that the policy calls by name is
// whatever pods call so, so it is apart from its number.
type region struct {
	atoms map[string][]atom // by protocol, or protocol/name; sorted and apart
	work  *work
}

// atom is a run of ports with who may be talked with on all of them.
type atom struct {
	first, last int32
	spans       []span
	anyone      bool
	internet    bool            // every public address, by whatever name
	peers       peerIndex       // of those that are no blocks
	names       map[string]bool // of external peers
}

func newRegion(list []netpolicy.Rule, w *work) (*region, error) {
	r := &region{atoms: map[string][]atom{}, work: w}
	uses := map[string][]use{}
	for i := range list {
		for _, p := range list[i].Ports {
			key := portKey(p)
			uses[key] = append(uses[key], use{p.Port, max(p.Port, p.EndPort), i})
		}
	}
	spans := make([][]span, len(list))
	for i := range list {
		spans[i] = spansOf(list[i].Peer.CIDRs, list[i].Peer.Except)
	}
	for key, of := range uses {
		atoms, err := atomsOf(list, of, spans, w)
		if err != nil {
			return nil, err
		}
		r.atoms[key] = atoms
	}
	return r, nil
}

func portKey(p netpolicy.Port) string {
	if p.Name == "" {
		return p.Protocol
	}
	return p.Protocol + "/" + p.Name
}

// use is one rule's run of ports.
type use struct {
	first, last int32
	rule        int
}

// atomsOf cuts the ports of all rules where any of them begins or ends.
func atomsOf(list []netpolicy.Rule, uses []use, spans [][]span, w *work) ([]atom, error) {
	cuts := make([]int32, 0, 2*len(uses))
	for _, u := range uses {
		cuts = append(cuts, u.first, u.last+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	atoms := make([]atom, len(cuts)-1)
	for i := range atoms {
		atoms[i] = atom{first: cuts[i], last: cuts[i+1] - 1}
	}
	for _, u := range uses {
		at, _ := slices.BinarySearch(cuts, u.first)
		for ; at < len(atoms) && atoms[at].last <= u.last; at++ {
			if err := w.step(len(spans[u.rule]) + len(list[u.rule].Peer.Names)); err != nil {
				return nil, err
			}
			atoms[at].add(&list[u.rule].Peer, spans[u.rule])
		}
	}
	for i := range atoms {
		atoms[i].spans = join(atoms[i].spans)
		atoms[i].peers.sort()
	}
	return atoms, nil
}

func (a *atom) add(p *netpolicy.Peer, spans []span) {
	switch {
	case p.Kind == netpolicy.PeerAny:
		a.anyone = true
	case len(p.CIDRs) == 0:
		a.peers.list = append(a.peers.list, p)
	default:
		a.spans = append(a.spans, spans...)
		a.internet = a.internet || p.Kind == netpolicy.PeerInternet
	}
	if p.Kind == netpolicy.PeerExternal && len(p.Names) > 0 {
		if a.names == nil {
			a.names = map[string]bool{}
		}
		for _, name := range p.Names {
			a.names[name] = true
		}
	}
}

// rest is a part of a rule that a region does not allow: the product of ports
// with blocks or, where these are none of the peer's, with the whole peer.
type rest struct {
	ports []netpolicy.Port
	spans []span
	names []string // that are not allowed there, of an external peer
	moved bool     // all names are allowed: these are other addresses of them
}

// without is what of a rule the region does not allow, in parts that are exact,
// and whether that is all of it.
func (g *region) without(rule *netpolicy.Rule) (parts []rest, whole bool, err error) {
	whole = true
	spans := spansOf(rule.Peer.CIDRs, rule.Peer.Except)
	add := func(p netpolicy.Port, first, last int32, r rest) {
		if first > last {
			return
		}
		r.ports = []netpolicy.Port{{Protocol: p.Protocol, Port: first, Name: p.Name}}
		if last > first {
			r.ports[0].EndPort = last
		}
		parts = gather(parts, r)
	}
	for _, p := range rule.Ports {
		last := max(p.Port, p.EndPort)
		atoms := g.atoms[portKey(p)]
		next := p.Port
		fresh := rest{spans: spans, names: namesOf(&rule.Peer)}
		i := sort.Search(len(atoms), func(i int) bool { return atoms[i].last >= p.Port })
		for ; i < len(atoms) && atoms[i].first <= last; i++ {
			a := &atoms[i]
			add(p, next, a.first-1, fresh)
			r, all := a.without(&rule.Peer, spans, g.work)
			if err := g.work.step(len(spans) + len(r.spans) + len(rule.Peer.Names)); err != nil {
				return nil, false, err
			}
			whole = whole && all
			if all || len(r.spans) > 0 || len(r.names) > 0 {
				add(p, max(a.first, p.Port), min(a.last, last), r)
			}
			next = a.last + 1
		}
		add(p, next, last, fresh)
	}
	return parts, whole && len(parts) > 0, nil
}

// namesOf are the names that stand for a peer: those of an external one.
func namesOf(p *netpolicy.Peer) []string {
	if p.Kind != netpolicy.PeerExternal {
		return nil
	}
	return p.Names
}

// without is what of a peer an atom does not allow, and whether that is all of
// the peer.
func (a *atom) without(p *netpolicy.Peer, spans []span, w *work) (r rest, all bool) {
	switch {
	case a.anyone:
		return rest{}, false
	case p.Kind == netpolicy.PeerAny:
		return rest{}, true
	case len(p.CIDRs) == 0:
		return rest{}, !a.peers.covers(p, w)
	}
	names := namesOf(p)
	lost := subtract(spans, a.spans)
	for _, name := range names {
		if !a.names[name] && !a.internet {
			r.names = append(r.names, name)
		}
	}
	r.spans = lost
	r.moved = len(names) > 0 && len(r.names) == 0 && few(lost)
	return r, len(r.names) == len(names) && slices.Equal(lost, spans)
}

// maxMoved is how many addresses a run may have that is taken for another
// address of a name. What is larger was not resolved.
const maxMoved = 256

// few reports whether all runs are short.
func few(list []span) bool {
	for _, s := range list {
		last := s.from
		for range maxMoved - 1 {
			if last == s.to {
				break
			}
			last = last.Next()
		}
		if last != s.to {
			return false
		}
	}
	return true
}

// gather puts ports together that lack the same.
func gather(parts []rest, r rest) []rest {
	const lately = 16 // parts: a longer look back would not be linear
	for i := max(0, len(parts)-lately); i < len(parts); i++ {
		p := &parts[i]
		if p.moved != r.moved || !slices.Equal(p.names, r.names) || !slices.Equal(p.spans, r.spans) {
			continue
		}
		n := &p.ports[len(p.ports)-1]
		if q := r.ports[0]; n.Protocol == q.Protocol && n.Name == "" && q.Name == "" && max(n.Port, n.EndPort)+1 == q.Port {
			n.EndPort = max(q.Port, q.EndPort)
		} else {
			p.ports = append(p.ports, q)
		}
		return parts
	}
	return append(parts, r)
}
