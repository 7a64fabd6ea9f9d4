package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/manifest"
)

// declare reads what manifests say about the image's container and adds it to
// the evidence. What they say of its pods is for the network policy.
func (r *hardening) declare(ctx context.Context, env *environment, j *hardenJob, list []image.PlatformImage) error {
	o := r.opts
	if len(o.manifests) == 0 {
		return nil
	}
	inputs, closeAll, err := openInputs(env, o.manifests)
	defer closeAll()
	if err != nil {
		return err
	}
	opts := foreign.Options{Container: o.container, Importer: "lathe " + version()}
	opts.Image.Refs = []string{o.image}
	if r.source.Index != nil {
		opts.Image.IndexDigest = []string{r.source.Digest.String()}
	} else {
		opts.Image.Digest = r.source.Digest.String()
	}
	config, err := list[0].Image.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the config of %s: %w", o.image, err)
	}
	opts.Path, opts.Dir = searchPath(config.Config), config.Config.WorkingDir
	declared, pod, err := manifest.Read(ctx, inputs, opts)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(o.manifests, ", "), err)
	}
	declared.Images = nil // it is about whatever runs under that name
	merged, err := profile.Merge(r.profile, declared)
	if err != nil {
		return fmt.Errorf("merging %s and %s: %w", strings.Join(o.profiles, ", "), strings.Join(o.manifests, ", "), err)
	}
	r.profile, r.profiles = merged, append(r.profiles, declared)
	j.template = &netpolicy.Template{
		Selector: selectorOf(declared), HostNetwork: pod.HostNetwork,
		Containers: pod.Containers, Container: pod.Container, ProbePorts: pod.ProbePorts,
	}
	return nil
}

// selectorOf is the labels by which all workloads of a manifest choose their
// pods, or nil. Pods and jobs choose none.
func selectorOf(declared *profile.Profile) map[string]string {
	var labels map[string]string
	for i, s := range declared.Sources {
		w := s.Subject.Workload
		if !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, w.Kind) || i > 0 && !maps.Equal(labels, w.Labels) {
			return nil
		}
		labels = w.Labels
	}
	return labels
}
