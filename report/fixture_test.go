package report

import (
	"fmt"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// draft builds a plan by hand, with sizes as in real images.
type draft struct{ plan harden.Plan }

func (d *draft) add(layer int, name, class string, size int64, action harden.Action, why harden.Reason) {
	r := harden.Record{Layer: layer, Path: name, Type: "file", Class: class, Size: size, Action: action, Reason: why}
	switch class {
	case "dir":
		r.Type = layers.Dir.String()
	case "link":
		r.Type = layers.Symlink.String()
	default:
		r.Type = layers.Regular.String()
	}
	if action == harden.ActRewrite {
		r.NewSize = size / 4
	}
	d.plan.Records.Append(r)
}

func (d *draft) keep(name, class string, size int64, kind harden.Kind, from, note string) {
	d.add(0, name, class, size, harden.ActKeep, harden.Reason{Kind: kind, From: from, Note: note})
}

func (d *draft) drop(name, class string, size int64, kind harden.Kind, from, note string) {
	d.add(0, name, class, size, harden.ActDrop, harden.Reason{Kind: kind, From: from, Note: note})
}

func (d *draft) tool(name, class, technique string, kept bool, kind harden.Kind, phases ...string) {
	why := harden.Reason{Kind: kind, Note: "the profile saw it run"}
	if kind == harden.KeepRule {
		why.Note = "--keep " + name
	}
	d.plan.Tools = append(d.plan.Tools, harden.Tool{Path: name, Class: class, Technique: technique, Kept: kept, Reason: why, Phases: phases})
	size := int64(140_000 + 1013*len(name))
	if kept {
		d.keep(name, "program", size, kind, "", why.Note)
		return
	}
	d.drop(name, "program", size, harden.UnusedProgram, "", "package x: it never ran, and nothing that stays needs it")
}

// webServer is a plan as it is made of a web server on Debian.
func webServer(level harden.Level) *harden.Plan {
	d := &draft{plan: harden.Plan{Policy: harden.Policy{Level: level}}}
	d.keep(".", "dir", 0, harden.Parent, "", "the root")
	d.keep("usr", "dir", 0, harden.Parent, "usr/sbin/nginx", "")
	d.keep("usr/sbin/nginx", "program", 1_534_528, harden.Executed, "", "the profile saw it run at serving, startup")
	d.keep("docker-entrypoint.sh", "script", 1_620, harden.Config, "", "the config's entrypoint")
	d.keep("usr/lib/x86_64-linux-gnu/libc.so.6", "library", 1_922_136, harden.Library, "usr/sbin/nginx", "libc.so.6")
	d.keep("usr/lib/x86_64-linux-gnu/libcrypto.so.3", "library", 4_713_840, harden.Library, "usr/lib/x86_64-linux-gnu/libssl.so.3", "libcrypto.so.3")
	d.keep("usr/lib/x86_64-linux-gnu/libssl.so.3", "library", 692_256, harden.Library, "usr/sbin/nginx", "libssl.so.3")
	d.keep("usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so", "library", 153_648, harden.LoadedByName, "usr/lib/x86_64-linux-gnu/libcrypto.so.3", "a provider")
	d.keep("usr/share/zoneinfo/Europe/Vienna", "data", 2_200, harden.Pack, "", "time zones")
	d.keep("etc/ssl/certs/ca-certificates.crt", "data", 214_222, harden.Pack, "", "certificates")
	d.keep("etc/localtime", "link", 0, harden.Link, "usr/share/zoneinfo/Europe/Vienna", "leads to what stays")
	d.keep("usr/share/doc/nginx/copyright", "data", 5_120, harden.Copyright, "", "nginx")
	d.add(0, "var/lib/dpkg/status", "data", 118_320, harden.ActRewrite, harden.Reason{Kind: harden.Database, Note: "lists what is in the image"})
	for i := range 40 {
		d.keep(fmt.Sprintf("usr/lib/x86_64-linux-gnu/gconv/CP%03d.so", i), "library", 22_504, harden.PackageFile, "usr/lib/x86_64-linux-gnu/libc.so.6", "libc6")
	}
	tools(d)
	if level == harden.Packages {
		for i := range 160 {
			d.drop(fmt.Sprintf("usr/share/perl/5.36/module%03d.pm", i), "module", 91_700, harden.UnusedPackage, "", "package perl-base: nothing of the package that needs it was used")
			d.drop(fmt.Sprintf("usr/share/doc/pkg%03d/changelog.gz", i), "data", 18_000, harden.Documentation, "", "")
		}
		d.drop("usr/lib/x86_64-linux-gnu/libapt-pkg.so.6.0", "library", 2_041_000, harden.UnusedLibrary, "", "only what goes needed it")
		d.drop("var/lib/apt/lists/deb.debian.org_dists_bookworm_main", "data", 46_000_000, harden.ManagerState, "", "only the package manager reads it")
	} else {
		for i := range 160 {
			d.keep(fmt.Sprintf("usr/share/perl/5.36/module%03d.pm", i), "module", 91_700, harden.NothingDoes, "", "the level binaries drops tools only")
			d.keep(fmt.Sprintf("usr/share/doc/pkg%03d/changelog.gz", i), "data", 18_000, harden.NothingDoes, "", "the level binaries drops tools only")
		}
		d.keep("usr/lib/x86_64-linux-gnu/libapt-pkg.so.6.0", "library", 2_041_000, harden.NothingDoes, "", "the level binaries drops tools only")
		d.keep("var/lib/apt/lists/deb.debian.org_dists_bookworm_main", "data", 46_000_000, harden.NothingDoes, "", "the level binaries drops tools only")
	}
	d.add(0, "usr/sbin/nginx", "", 1_530_000, harden.ActDrop, harden.Reason{Kind: harden.Shadowed, Note: "hidden by a file in layer 3"})
	d.add(2, "var/cache/debconf/templates.dat", "", 1_204_000, harden.ActDrop, harden.Reason{Kind: harden.Shadowed, Note: "hidden by a whiteout in layer 3"})
	d.add(3, "var/cache/debconf/templates.dat", "", 0, harden.ActDrop, harden.Reason{Kind: harden.Marker, Note: "what it hides is gone"})
	packagesOf(d, level)
	d.plan.Findings = []harden.Finding{
		{Kind: "script-command", Path: "docker-entrypoint.sh", Text: `line 12 may run "find", which goes: the profile never saw it run (--keep /usr/bin/find keeps it)`},
		{Kind: "not-in-image", Path: "tmp/render", Text: "the profile saw this program run, but the image does not have it: it was made at run time or comes from a volume"},
	}
	d.plan.Missing = []string{"etc/nginx/extra.conf", "tmp/render"}
	return &d.plan
}

func tools(d *draft) {
	d.tool("usr/bin/dash", "shell", "T1059.004", true, harden.Executed, profile.PhaseStartup)
	d.tool("usr/bin/bash", "shell", "T1059.004", false, harden.UnusedProgram)
	d.tool("usr/bin/curl", "downloader", "T1105", false, harden.UnusedProgram)
	d.tool("usr/bin/perl", "interpreter", "T1059", false, harden.UnusedProgram)
	d.tool("usr/bin/mawk", "interpreter", "T1059", true, harden.Executed, profile.PhaseStartup)
	d.tool("usr/bin/envsubst-ls", "recon", "T1082", false, harden.UnusedProgram)
	d.tool("usr/bin/sed", "files", "T1222.002", true, harden.Executed, profile.PhaseStartup)
	d.tool("usr/bin/touch", "files", "T1222.002", true, harden.Executed, profile.PhaseStartup)
	d.tool("usr/bin/cut", "files", "T1222.002", true, harden.Executed, profile.PhaseServing, profile.PhaseStartup)
	d.tool("usr/bin/sort", "files", "T1222.002", true, harden.KeepRule)
	d.tool("usr/bin/chown", "files", "T1222.002", false, harden.UnusedProgram)
	for _, c := range harden.Classes() {
		for i := range len(c.Name) % 7 {
			d.tool(fmt.Sprintf("usr/bin/%s-%d", c.Name[:2], i), c.Name, c.Technique, false, harden.UnusedProgram)
		}
	}
}

func packagesOf(d *draft, level harden.Level) {
	kept := level == harden.Binaries
	add := func(name, version string, keep bool, bytes int64, from string) {
		p := harden.Package{Manager: "dpkg", Name: name, Version: version, Kept: keep, Bytes: bytes, From: from}
		if !keep {
			p.Dropped = bytes
		}
		d.plan.Packages = append(d.plan.Packages, p)
	}
	add("nginx", "1.27.3-1~bookworm", true, 3_400_000, "usr/sbin/nginx")
	add("libc6", "2.36-9+deb12u9", true, 12_988_000, "usr/lib/x86_64-linux-gnu/libc.so.6")
	add("libssl3", "3.0.15-1~deb12u1", true, 6_019_000, "usr/lib/x86_64-linux-gnu/libssl.so.3")
	add("perl-base", "5.36.0-7+deb12u1", kept, 7_760_000, "")
	add("apt", "2.6.1", kept, 4_231_000, "")
	add("bash", "5.2.15-2+b7", kept, 7_160_000, "")
	for i := range 20 {
		add(fmt.Sprintf("libx%02d-dev", i), "1.0", kept, int64(100_000*(i+1)), "")
	}
}

// startup is the profile of the web server.
func startup() *profile.Profile {
	return &profile.Profile{
		Sources: []profile.Source{{
			ID: "a", Kind: profile.KindObserved, Recorder: profile.Recorder{Name: "lathe", Version: "0.1.0", Method: "ebpf"},
			Complete: true, Lost: profile.Lost{Known: true}, Run: "1", Scenarios: []string{"startup", "e2e", "shutdown"},
		}},
		Executables: []profile.Executable{
			{Key: "/usr/bin/dash", Path: "/usr/bin/dash", Bound: true, Scripts: []profile.Path{"/docker-entrypoint.sh"}, Phase: []string{"startup"}},
			{Key: "/usr/sbin/nginx", Path: "/usr/sbin/nginx", Bound: true, Phase: []string{"serving", "startup"}},
			{Key: "/usr/bin/sed", Path: "/usr/bin/sed", Bound: true, Parents: []string{"/usr/bin/dash"}},
			{Key: "/usr/bin/cut", Path: "/usr/bin/cut", Bound: true, Parents: []string{"/usr/sbin/nginx", "/usr/bin/dash"}},
			{Key: "/usr/bin/mawk", Path: "/usr/bin/mawk", Bound: true, Parents: []string{"/usr/bin/dash"}},
		},
	}
}

// contentsOf measures a plan's input as an image would be.
func contentsOf(pl *harden.Plan) (before, after Contents) {
	for _, r := range pl.Records.All() {
		before.Entries++
		before.Bytes += r.Size
		if r.Action != harden.ActDrop {
			after.Entries++
			after.Bytes += outSize(&r)
		}
	}
	return before, after
}

// webInput is the web server's hardening as a whole.
func webInput(level harden.Level) Input {
	pl := webServer(level)
	before, after := contentsOf(pl)
	in := Input{
		Platform: "linux/amd64", Plan: pl, Profile: startup(),
		Before: Image{Digest: "sha256:1111", Download: before.Bytes * 2 / 5, Layers: 7, Contents: before},
		After:  &Image{Digest: "sha256:2222", Download: after.Bytes * 2 / 5, Layers: 6, Contents: after},
		Stats:  layers.Stats{Replaced: 1, Promoted: 2},
	}
	if level == harden.Binaries {
		next := webServer(harden.Packages)
		_, all := contentsOf(next)
		_, left := counts(next)
		pl.Next = &harden.Outlook{
			Level: harden.Packages, Bytes: all.Bytes, Files: left.Files, Executables: left.Executables, Packages: left.Packages,
		}
	}
	return in
}

func webJob() Job {
	return Job{
		Tool: "lathe v0.1.0", Image: "docker.io/library/nginx:1.27.3", Source: "sha256:1111", Result: "sha256:2222",
		Hint: &Hint{
			Workload: "deployment shop/web", Restricts: []string{"egress", "ingress"},
			Ingress: []string{"TCP/8080 from anywhere"}, Egress: []string{"DNS", "TCP/5432 to 10.0.0.7/32"},
			Tightened: []string{"egress TCP/443 to 151.101.2.132/32, only /usr/bin/apt-get did it"},
			Warnings:  []string{"PEER_WITHOUT_ADDRESS: an address"},
		},
		Signature: &Signature{
			Signed: true, Attested: true, Key: "cosign.pub",
			Verify: "cosign verify --local-image --insecure-ignore-tlog --key cosign.pub out/image",
		},
		Outputs: []Output{
			{"image", "out/image"},
			{"network policy", "out/networkpolicy.yaml"},
			{"hint", "out/hint.json"},
			{"plan", "out/plan.json"},
			{"report", "out/report.md, out/report.json"},
		},
	}
}
