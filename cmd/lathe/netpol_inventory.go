package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/inventory"
)

// hintFlags decide how peers are identified and what becomes of them.
type hintFlags struct {
	inventories []string
	peers       string
	external    string
	unresolved  string
	ingressFrom string
	clusterDNS  string
	preDNAT     bool
	cilium      bool
}

func (h *hintFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&h.inventories, "inventory", nil, "name peers from this `file`: kubectl get pods,svc,endpointslices,ns,nodes,deploy,sts,ds -A -o json; repeatable")
	f.StringVar(&h.peers, "peers", "", "`file` that says by hand what addresses and names are; wins over the inventory")
	f.StringVar(&h.external, "external", "ip", "`how` public addresses are in the network policy: ip, port-only (wide) or deny")
	f.StringVar(&h.unresolved, "unresolved", "address", "`how` private addresses that nothing identifies are in the network policy: address or omit")
	f.StringVar(&h.ingressFrom, "ingress-from", "any", "`who` may connect where no source is known: any, namespace or deny")
	f.StringVar(&h.clusterDNS, "cluster-dns", "kube-dns", "the cluster's `resolver` where no inventory has them: kube-dns or openshift")
	f.BoolVar(&h.preDNAT, "pre-dnat", false, "allow the ports of Services, too, for plugins that decide before translation")
	f.BoolVar(&h.cilium, "cilium", false, "write networkpolicy.cilium.yaml even if no external peer has a name")
}

// check reads the words of the flags; what is wrong is a usage error.
func (h *hintFlags) check() (netpolicy.Options, error) {
	var o netpolicy.Options
	choose := func(flag, value string, words ...string) (int, error) {
		for i, w := range words {
			if value == w {
				return i, nil
			}
		}
		return 0, usage("--%s is one of %q, not %q", flag, words, value)
	}
	external, err := choose("external", h.external, "ip", "port-only", "deny")
	if err != nil {
		return o, err
	}
	unresolved, err := choose("unresolved", h.unresolved, "address", "omit")
	if err != nil {
		return o, err
	}
	from, err := choose("ingress-from", h.ingressFrom, "any", "namespace", "deny")
	if err != nil {
		return o, err
	}
	dns, err := choose("cluster-dns", h.clusterDNS, "kube-dns", "openshift")
	if err != nil {
		return o, err
	}
	o.External, o.IngressFrom, o.ClusterDNS = netpolicy.External(external), netpolicy.IngressFrom(from), netpolicy.ClusterDNS(dns)
	o.OmitUnresolved, o.PreDNAT = unresolved == 1, h.preDNAT
	return o, nil
}

// read reads what identifies peers.
func (h *hintFlags) read(o *netpolicy.Options) error {
	var err error
	if o.Cluster, err = readInventory(h.inventories); err != nil {
		return err
	}
	if h.peers == "" {
		return nil
	}
	return withInput(h.peers, func(f *os.File) error {
		o.Mapping, err = inventory.ReadMapping(f)
		return err
	})
}

// readInventory reads files of kubectl; none gives nil.
func readInventory(names []string) (*inventory.Cluster, error) {
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // no inventory is not an empty one
	}
	c := inventory.New()
	for _, name := range names {
		err := withInput(name, func(f *os.File) error { return c.Read(f, inventory.Limits{}) })
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// withInput opens a file for reading.
func withInput(name string, read func(*os.File) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening the file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// defaultHintFlags are those of a command that has none of them.
func defaultHintFlags() hintFlags {
	return hintFlags{external: "ip", unresolved: "address", ingressFrom: "any", clusterDNS: "kube-dns"}
}
