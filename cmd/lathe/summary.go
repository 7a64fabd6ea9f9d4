package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/report"
)

// makeReport makes the one value that all forms of the report are made of.
func (r *hardening) makeReport(o hardenOptions, j *hardenJob) error {
	job := report.Job{
		Tool: "lathe " + version(), Image: o.image, Level: string(j.policy.Level), DryRun: o.dryRun,
		Source: r.source.Digest.String(), Hint: r.hintSummary(), Run: r.runSummary(),
	}
	if !o.dryRun {
		job.Result = r.digest.String()
		job.Signature = r.signature(o, j)
		job.Outputs = r.outputList(j)
	}
	for _, s := range r.leftOut {
		job.LeftOut = append(job.LeftOut, report.LeftOut{Platform: s, Why: "no profile covers it"})
	}
	var inputs []report.Input
	for _, t := range r.targets {
		in := report.Input{
			Platform: t.name, Plan: t.plan, Profile: t.bound, Before: t.before,
		}
		if t.result != nil {
			in.Stats = t.result.Stats
		}
		if t.after.Digest != "" {
			after := t.after
			in.After = &after
		}
		inputs = append(inputs, in)
	}
	var err error
	if r.report, err = report.New(job, inputs...); err != nil {
		return fmt.Errorf("making the report: %w", err)
	}
	return nil
}

func (r *hardening) print(env *environment, g *global) error {
	if g.format == "json" {
		js, err := r.report.JSON()
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return writeResult(env, "", js, false, true)
	}
	if err := r.report.Terminal(env.stdout, report.Style{Color: env.colour}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// outputList says where everything lies.
func (r *hardening) outputList(j *hardenJob) []report.Output {
	var list []report.Output
	add := func(what, where string) { list = append(list, report.Output{What: what, Where: where}) }
	if j.withImage {
		add("image", filepath.Join(j.output, imageDir))
	}
	if j.push != nil {
		add("image", j.push.Name+":"+j.push.Tag+"@"+r.digest.String())
	}
	for _, ref := range j.to {
		add("image", ref.String())
	}
	if j.output == "" {
		return list
	}
	add("plan", filepath.Join(j.output, planFile))
	add("report", filepath.Join(j.output, reportMD))
	add("network hint", filepath.Join(j.output, hintFile))
	if r.hintYAML != nil {
		add("network policy", filepath.Join(j.output, policyFile))
	}
	if r.hintCilium != nil {
		add("Cilium policy", filepath.Join(j.output, ciliumFile))
	}
	return list
}

// signature says whether the result is signed and how to check it.
func (r *hardening) signature(o hardenOptions, j *hardenJob) *report.Signature {
	s := &report.Signature{Signed: len(r.signed) > 0, Attested: len(r.signed) > 0, Key: o.key}
	pub := strings.TrimSuffix(o.key, ".key") + ".pub"
	tlog := "--insecure-ignore-tlog "
	if o.tlogUpload {
		tlog = ""
	}
	switch {
	case !s.Signed && o.unsigned:
		s.Note = "--unsigned asks for none"
	case !s.Signed:
		s.Note = "there is no --key"
	case o.tlogUpload:
		s.Note = "uploaded to the transparency log " + o.rekorURL
	default:
		s.Note = "not in a transparency log; --tlog-upload puts it there"
	}
	unsigned := func(ref image.Ref) bool { return ref.Kind != image.OCI }
	if slices.ContainsFunc(j.to, unsigned) && s.Signed {
		s.Note += "; docker archives and daemons carry no signature"
	}
	switch {
	case s.Signed && j.withImage:
		s.Verify = "cosign verify --local-image " + tlog + "--key " + shellQuote(pub) + " " + shellQuote(filepath.Join(j.output, imageDir))
	case s.Signed && j.push != nil:
		s.Verify = "cosign verify " + tlog + "--key " + shellQuote(pub) + " " + shellQuote(j.push.Name+"@"+r.digest.String())
	}
	return s
}

func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@+-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// hintSummary puts the hint into lines for the report.
func (r *hardening) hintSummary() *report.Hint {
	if r.hint == nil {
		return nil
	}
	h := &report.Hint{NotWritten: r.noYAML}
	if w := r.hint.Workload; w.Name != "" {
		h.Workload = strings.Trim(w.Namespace+"/"+w.Name, "/")
	}
	for _, d := range r.hint.PolicyTypes {
		h.Restricts = append(h.Restricts, string(d))
	}
	for _, rule := range r.hint.Allows(netpolicy.Ingress) {
		h.Ingress = append(h.Ingress, ruleText(rule))
	}
	for _, rule := range r.hint.Allows(netpolicy.Egress) {
		h.Egress = append(h.Egress, ruleText(rule))
	}
	for _, om := range r.hint.Tightened {
		h.Tightened = append(h.Tightened, omissionText(om))
	}
	for _, w := range r.hint.Warnings {
		h.Warnings = append(h.Warnings, w.Code+": "+w.Detail)
	}
	return h
}

// ruleText is a rule on one line, such as "TCP/5432 to 10.0.0.7/32".
func ruleText(rule netpolicy.Rule) string {
	word := " to "
	if rule.Direction == netpolicy.Ingress {
		word = " from "
	}
	return portsText(rule.Ports) + word + peerText(rule.Peer)
}

func omissionText(om netpolicy.Omission) string {
	word := " to "
	if om.Direction == netpolicy.Ingress {
		word = " from "
	}
	return portsText(om.Ports) + word + peerText(om.Peer) + ", only " + strings.Join(om.Executables, ", ")
}

func portsText(ports []netpolicy.Port) string {
	var list []string
	for _, p := range ports {
		list = append(list, p.String())
	}
	if len(list) == 0 {
		return "any port"
	}
	return strings.Join(list, ", ")
}

// maxPeers bounds how many addresses a line names.
const maxPeers = 4

func peerText(p netpolicy.Peer) string {
	list := append(append([]string(nil), p.Names...), p.CIDRs...)
	switch {
	case p.Kind == netpolicy.PeerAny:
		return "anywhere"
	case p.Kind == netpolicy.PeerInternet:
		return "every public address"
	case p.Kind == netpolicy.PeerAPIServer:
		return "the cluster's API server"
	case p.Kind == netpolicy.PeerNamespace:
		return "pods of namespace " + p.Namespace
	case p.Kind == netpolicy.PeerPods && len(p.Via) > 0:
		return p.Via[0]
	case p.Kind == netpolicy.PeerPods:
		return "pods of namespace " + p.Namespace
	case p.Kind == netpolicy.PeerClusterDNS:
		return "the cluster's DNS"
	case len(list) > maxPeers:
		return strings.Join(list[:maxPeers], ", ") + " and " + strconv.Itoa(len(list)-maxPeers) + " more"
	case len(list) == 0:
		return string(p.Kind)
	}
	return strings.Join(list, ", ")
}
