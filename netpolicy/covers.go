package netpolicy

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// maxLooked bounds the rules that are looked at when a policy is held against its
// hint. A hint of 10,000 peers takes a few for each, whatever is listed as left
// out; only rules for the same peer over and over take more.
const maxLooked = 1 << 25

// peerBlocks are the addresses of a peer made of blocks.
type peerBlocks struct {
	in, except evaluate.Blocks[int] // their place in the peer's lists
	list       []netip.Prefix       // those that are blocks
}

func blocksOfPeer(p *Peer) *peerBlocks {
	b := &peerBlocks{}
	for i, text := range p.CIDRs {
		if block, err := netip.ParsePrefix(text); err == nil {
			b.in.Add(block, i)
			b.list = append(b.list, block)
		}
	}
	for i, text := range p.Except {
		if block, err := netip.ParsePrefix(text); err == nil {
			b.except.Add(block, i)
		}
	}
	return b
}

// hold reports whether an address is in a block and not excepted.
func (b *peerBlocks) hold(a netip.Addr) bool { return b.in.Hold(a) && !b.except.Hold(a) }

// first is the first address of one of the first blocks that is not excepted.
func (b *peerBlocks) first() (netip.Addr, bool) {
	for _, block := range b.list[:min(len(b.list), maxBlocksTried)] {
		if a, ok := b.firstIn(block); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func (b *peerBlocks) firstIn(block netip.Prefix) (netip.Addr, bool) {
	for a, n := block.Addr(), 0; block.Contains(a) && n < maxSteps; a, n = a.Next(), n+1 {
		if b.hold(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// Bounds of the search for an address that is not excepted: addresses of a block,
// and blocks.
const (
	maxSteps       = 1 << 10
	maxBlocksTried = 16
)

// exceptsOf are the exceptions of a peer, for each of its blocks those inside.
func exceptsOf(p *Peer) [][]string {
	out := make([][]string, len(p.CIDRs))
	if len(p.Except) == 0 {
		return out
	}
	blocks := blocksOfPeer(p)
	for _, text := range p.Except {
		inner, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		for i := range blocks.in.Holding(inner.Addr()) {
			out[i] = append(out[i], text)
		}
	}
	return out
}

// coverage knows what the rules of a hint are for, from the rules alone. It
// looks at no policy, so that it can judge one.
type coverage struct {
	rules  []Rule
	ports  []runs
	anyone []int
	blocks evaluate.Blocks[int]
	except map[int]*peerBlocks // of rules that except something
	pods   evaluate.Selectors[int]
	looked int64
}

func newCoverage(rules []Rule) *coverage {
	c := &coverage{rules: rules, except: map[int]*peerBlocks{}}
	for i := range rules {
		p := &rules[i].Peer
		c.ports = append(c.ports, runsOf(rules[i].Ports))
		switch {
		case p.Kind == PeerAny:
			c.anyone = append(c.anyone, i)
		case p.Namespace != "":
			c.pods.Add(p.Namespace, p.PodSelector, i)
		}
		for _, text := range p.CIDRs {
			if block, err := netip.ParsePrefix(text); err == nil {
				c.blocks.Add(block, i)
			}
		}
		if len(p.Except) > 0 {
			c.except[i] = blocksOfPeer(p)
		}
	}
	c.pods.Index()
	return c
}

// covers reports whether some rule is meant for p.
func (c *coverage) covers(p evaluate.Packet) bool {
	for _, i := range c.anyone {
		if c.isFor(i, p) {
			return true
		}
	}
	if p.Addr.IsValid() {
		for i := range c.blocks.Holding(p.Addr) {
			if c.isFor(i, p) && (c.except[i] == nil || c.except[i].hold(p.Addr)) {
				return true
			}
		}
	}
	if p.Pod == nil {
		return false
	}
	for i := range c.pods.Of(p.Pod.Namespace, p.Pod.Labels) {
		if c.isFor(i, p) && hasAll(p.Pod.Labels, c.rules[i].Peer.PodSelector) {
			return true
		}
	}
	return false
}

// isFor reports whether direction and port of p are those of a rule.
func (c *coverage) isFor(i int, p evaluate.Packet) bool {
	c.looked++
	return c.rules[i].Direction == p.Direction && c.ports[i].hold(p.Protocol, int32(p.Port))
}

// runs are the ports of a rule, by protocol: sorted and apart.
type runs map[string][]Port

func runsOf(list []Port) runs {
	out := runs{}
	for _, p := range slices.SortedFunc(slices.Values(list), comparePort) {
		p.EndPort = max(p.Port, p.EndPort)
		all := out[p.Protocol]
		if n := len(all); n > 0 && p.Port <= all[n-1].EndPort {
			all[n-1].EndPort = max(all[n-1].EndPort, p.EndPort)
			continue
		}
		out[p.Protocol] = append(all, p)
	}
	return out
}

func (r runs) hold(protocol string, port int32) bool {
	all := r[protocol]
	i := sort.Search(len(all), func(i int) bool { return all[i].EndPort >= port })
	return i < len(all) && all[i].Port <= port
}

// consistent asks the policy of a hint, whoever wrote it, about what the hint
// itself lists: every rule's peers are allowed and what was left out is denied,
// unless a rule is for it.
func (h *Hint) consistent(form Form) error {
	_, err := h.compare(form)
	return err
}

// compare also says how many rules it looked at.
func (h *Hint) compare(form Form) (int64, error) {
	e, err := h.evaluator(form)
	if err != nil {
		return 0, err
	}
	rules := newCoverage(h.Rules)
	ask := func(d Direction, peer Peer, ports []Port, wrong func(evaluate.Packet) error) error {
		for p := range h.packets(d, peer, ports) {
			if err := wrong(p); err != nil {
				return err
			}
			if e.Looked()+rules.looked > maxLooked {
				return fmt.Errorf("%w: more than %d rules were looked at", ErrTooComplex, maxLooked)
			}
		}
		return nil
	}
	for i := range h.Rules {
		r := &h.Rules[i]
		err := ask(r.Direction, r.Peer, r.Ports, func(p evaluate.Packet) error {
			if !e.Allows(p) {
				return fmt.Errorf("%w: rule %s does not allow %s", ErrSelfCheck, r.ID, packetText(p))
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	for _, o := range slices.Concat(h.Tightened, h.Foreign, h.Omitted) {
		if !h.Restricts(o.Direction) {
			continue
		}
		err := ask(o.Direction, o.Peer, o.Ports, func(p evaluate.Packet) error {
			p.Names = nil
			if e.Allows(p) && !rules.covers(p) {
				return fmt.Errorf("%w: %s %s is allowed although it was left out (%s)", ErrSelfCheck, p.Direction, packetText(p), clip(o.Reason, maxShown))
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return e.Looked() + rules.looked, nil
}
