package seccomp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// rules are the OCI runtime specification's linux.seccomp.
type rules struct {
	DefaultAction string    `json:"defaultAction"`
	Architectures []string  `json:"architectures"`
	ArchMap       []archMap `json:"archMap"` // docker's
	Syscalls      []rule    `json:"syscalls"`
}

type archMap struct {
	Architecture string `json:"architecture"`
}

type rule struct {
	Names  []string `json:"names"`
	Name   string   `json:"name"` // of docker's older profiles
	Action string   `json:"action"`
}

// object is kubescape's SeccompProfile, or rules alone.
type object struct {
	Kind     string   `json:"kind"`
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Containers          []container `json:"containers"`
		InitContainers      []container `json:"initContainers"`
		EphemeralContainers []container `json:"ephemeralContainers"`
	} `json:"spec"`
	Rules rules `json:",embed"`
}

type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type container struct {
	Name string `json:"name"`
	Spec rules  `json:"spec"`
}

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:   "seccomp",
		About:  "seccomp profiles of OCI runtimes, and kubescape's SeccompProfile",
		Detect: detect,
		Import: importProfiles,
	}
}

func detect(head []byte) bool {
	return foreign.AnyShape(head, func(s foreign.Shape) bool {
		return isObject(s.APIVersion, s.Kind) || s.Kind == "" && s.Has("defaultAction", "syscalls")
	})
}

// group is kubescape's.
const group = "spdx.softwarecomposition.kubescape.io/"

func isObject(apiVersion, kind string) bool {
	return kind == "SeccompProfile" && strings.HasPrefix(apiVersion, group)
}

// importProfiles makes an unbound profile of the calls that are allowed, with
// one source for each profile.
func importProfiles(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog("seccomp", inputs, opts)
	var objects []object
	err := records.Objects(ctx, func(from foreign.Object) error {
		var o object
		if from.Kind != "" && !isObject(from.APIVersion, from.Kind) {
			return fmt.Errorf("a %q of %q is no seccomp profile", from.Kind, from.APIVersion)
		}
		if from.Kind != "" && from.APIVersion != group+"v1beta1" {
			return foreign.Fatal(fmt.Errorf("the version %q is not known, only v1beta1", from.APIVersion))
		}
		if err := foreign.Decode(from.Data, &o); err != nil {
			return foreign.Fatal(err)
		}
		if len(o.containers()) == 0 && o.Rules.DefaultAction == "" {
			return errors.New("it has no defaultAction: it is no seccomp profile")
		}
		objects = append(objects, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var parts []*profile.Profile
	for _, o := range objects {
		p, err := o.profile(records.Source(), opts)
		if err != nil {
			return nil, fmt.Errorf("importing seccomp: %w", err)
		}
		parts = append(parts, p)
	}
	p, err := profile.Merge(parts...)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("importing seccomp: %w", err)
	}
	return p, nil
}

// profile makes the profile of one object. That a person vouches for the file
// means that a recorder wrote it: its calls were seen, not only allowed.
func (o object) profile(source profile.Source, opts foreign.Options) (*profile.Profile, error) {
	name, from, err := o.choose(opts.Container)
	if err != nil {
		return nil, err
	}
	if !opts.Complete {
		source.Kind = profile.KindDeclared
	}
	source.Host.Arch = ""
	source.Recorder = profile.Recorder{Name: "seccomp", Version: opts.Version, Method: "config"}
	source.Observes = append(source.Observes, profile.ObservesSyscalls)
	source.Subject = profile.Subject{
		Image: opts.Image.Digest, Container: name, Workload: profile.Workload{Namespace: o.Metadata.Namespace},
	}
	if from.DefaultAction == "SCMP_ACT_ALLOW" || from.DefaultAction == "SCMP_ACT_LOG" {
		source.Notes = append(source.Notes, "the profile allows by default: the calls that it names are not all")
	}
	names, odd := from.allowed()
	if odd > 0 {
		source.Notes = append(source.Notes, fmt.Sprintf("names that are no system call's are left out: %d", odd))
	}
	source.ID = profile.SourceID(source)
	p := &profile.Profile{Metadata: profile.Metadata{Name: opts.Name}, Sources: []profile.Source{source}}
	if opts.Image.Digest != "" || len(opts.Image.ConfigDigest)+len(opts.Image.Refs) > 0 {
		p.Images = []profile.Image{opts.Image}
	}
	arch := from.arch()
	for _, call := range names {
		p.Syscalls = append(p.Syscalls, profile.Syscall{Name: call, Arch: arch, Seen: []string{source.ID}})
	}
	return p, nil
}

func (o object) containers() []container {
	return slices.Concat(o.Spec.Containers, o.Spec.InitContainers, o.Spec.EphemeralContainers)
}

// choose gives the rules of one container, or those of a plain file.
func (o object) choose(name string) (string, rules, error) {
	all := o.containers()
	if len(all) == 0 {
		return name, o.Rules, nil
	}
	if name == "" && len(o.Spec.Containers) == 1 {
		name = o.Spec.Containers[0].Name
	}
	var names []string
	for _, c := range all {
		if c.Name == name {
			return name, c.Spec, nil
		}
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if name != "" {
		return "", rules{}, fmt.Errorf("it has no container %q, only %q", name, names)
	}
	return "", rules{}, fmt.Errorf("it is of the containers %q: choose one with --container NAME", names)
}

// allowed are the calls that may be made, sorted, and how many names are none.
func (r rules) allowed() (names []string, odd int) {
	for _, x := range r.Syscalls {
		if x.Action != "SCMP_ACT_ALLOW" && x.Action != "SCMP_ACT_LOG" {
			continue
		}
		for _, name := range append([]string{x.Name}, x.Names...) {
			switch {
			case name == "" && x.Name == "":
			case isWord(name):
				names = append(names, name)
			default:
				odd++
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), odd
}

func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// arch gives the architectures in GOARCH's words, where they are known.
func (r rules) arch() []string {
	list := slices.Clone(r.Architectures)
	for _, a := range r.ArchMap {
		list = append(list, a.Architecture)
	}
	words := map[string]string{
		"SCMP_ARCH_X86_64": "amd64", "SCMP_ARCH_X86": "386", "SCMP_ARCH_AARCH64": "arm64", "SCMP_ARCH_ARM": "arm",
		"SCMP_ARCH_PPC64LE": "ppc64le", "SCMP_ARCH_S390X": "s390x", "SCMP_ARCH_RISCV64": "riscv64", "SCMP_ARCH_MIPS64": "mips64",
	}
	var out []string
	for _, a := range list {
		if word, ok := words[a]; ok {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
