package netpolicy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
)

// finish gives the rules their ids and order.
func (b *builder) finish() error {
	for i := range b.rules {
		id, err := ruleID(b.rules[i])
		if err != nil {
			return err
		}
		b.rules[i].ID = id
	}
	slices.SortFunc(b.rules, func(x, y Rule) int {
		return cmp.Or(-cmp.Compare(x.Direction, y.Direction), comparePeers(x.Peer, y.Peer), comparePorts(x.Ports, y.Ports), cmp.Compare(x.ID, y.ID))
	})
	for _, list := range [][]Omission{b.tightened, b.foreign, b.omitted} {
		slices.SortFunc(list, func(x, y Omission) int {
			return cmp.Or(-cmp.Compare(x.Direction, y.Direction), comparePeers(x.Peer, y.Peer), comparePorts(x.Ports, y.Ports), slices.Compare(x.Executables, y.Executables), cmp.Compare(x.Reason, y.Reason))
		})
	}
	return nil
}

// ruleID is made of what a rule allows, not of its evidence, so that a rule
// keeps its id from one profile to the next.
func ruleID(r Rule) (string, error) {
	r.Peer.Names, r.Peer.Via = nil, nil
	allows, err := json.Marshal(struct {
		Direction Direction
		Peer      Peer
		Ports     []Port
	}{r.Direction, r.Peer, r.Ports})
	if err != nil {
		return "", fmt.Errorf("encoding rule: %w", err)
	}
	sum := sha256.Sum256(allows)
	return string(r.Direction[:1]) + "-" + hex.EncodeToString(sum[:8]), nil
}

// comparePeers orders peers by kind, first address and names.
func comparePeers(a, b Peer) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(labelText(a.PodSelector), labelText(b.PodSelector)),
		firstAddr(a).Compare(firstAddr(b)), slices.Compare(a.CIDRs, b.CIDRs), slices.Compare(a.Via, b.Via), slices.Compare(a.Names, b.Names))
}

func firstAddr(p Peer) netip.Addr {
	if len(p.CIDRs) == 0 {
		return netip.Addr{}
	}
	prefix, err := netip.ParsePrefix(p.CIDRs[0])
	if err != nil {
		return netip.Addr{}
	}
	return prefix.Addr()
}

func comparePorts(a, b []Port) int {
	return slices.CompareFunc(a, b, comparePort)
}
