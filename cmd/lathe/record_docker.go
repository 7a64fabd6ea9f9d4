package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// dockerFlags are the flags of docker run that mean something here: whether
// they take a value, and what becomes of it.
func dockerFlags() map[string]dockerFlag {
	list := func(to func(*runFlags) *[]string) dockerFlag {
		return dockerFlag{value: true, take: func(r *runFlags, v string) error { p := to(r); *p = append(*p, v); return nil }}
	}
	text := func(to func(*runFlags) *string) dockerFlag {
		return dockerFlag{value: true, take: func(r *runFlags, v string) error { *to(r) = v; return nil }}
	}
	ignored := dockerFlag{take: func(*runFlags, string) error { return nil }}
	ignoredValue := dockerFlag{value: true, take: ignored.take}
	env := list(func(r *runFlags) *[]string { return &r.env })
	publish := list(func(r *runFlags) *[]string { return &r.publish })
	volume := list(func(r *runFlags) *[]string { return &r.volumes })
	user := text(func(r *runFlags) *string { return &r.user })
	dir := text(func(r *runFlags) *string { return &r.workdir })
	hostname := text(func(r *runFlags) *string { return &r.hostname })
	return map[string]dockerFlag{
		"-e": env, "--env": env, "-p": publish, "--publish": publish, "-v": volume, "--volume": volume,
		"--mount": list(func(r *runFlags) *[]string { return &r.mounts }),
		"--tmpfs": list(func(r *runFlags) *[]string { return &r.tmpfs }),
		"-u":      user, "--user": user, "-w": dir, "--workdir": dir, "-h": hostname, "--hostname": hostname,
		"--entrypoint":  text(func(r *runFlags) *string { return &r.entrypoint }),
		"--stop-signal": text(func(r *runFlags) *string { return &r.stopSignal }),
		"--network":     {value: true, take: dockerNetwork}, "--net": {value: true, take: dockerNetwork},
		"--stop-timeout": {value: true, take: func(r *runFlags, v string) (err error) {
			if r.grace, err = time.ParseDuration(v + "s"); err != nil {
				err = usage("docker run --stop-timeout %q is no number of seconds", v)
			}
			return err
		}},
		"-d": ignored, "--detach": ignored, "--rm": ignored,
		"--name": ignoredValue, "--restart": ignoredValue, "--pull": ignoredValue, "-l": ignoredValue, "--label": ignoredValue,
	}
}

type dockerFlag struct {
	value bool
	take  func(*runFlags, string) error
}

// dockerNetwork takes docker's words for what is the same here.
func dockerNetwork(r *runFlags, v string) error {
	switch {
	case v == "bridge" || v == "default":
		r.network = "nat"
	case v == "none", v == "host", strings.HasPrefix(v, "container:"):
		r.network = v
	default:
		return usage("docker run --network %q: networks of docker are not known here; --network container:ID joins one of their containers", v)
	}
	return nil
}

// takeDocker reads a docker run command into the flags and gives the image.
// What it does not know it refuses: a container that differs silently would
// make a profile of something else.
func (r *runFlags) takeDocker(line []string) (string, error) {
	if len(line) > 0 && slices.Contains([]string{"docker", "podman"}, filepath.Base(line[0])) {
		line = line[1:]
	}
	if len(line) > 0 && line[0] == "container" {
		line = line[1:]
	}
	if len(line) == 0 || line[0] != "run" {
		return "", usage("--docker takes a docker run command after --")
	}
	line = line[1:]
	for len(line) > 0 && strings.HasPrefix(line[0], "-") {
		if line[0] == "--" {
			line = line[1:]
			break
		}
		var err error
		if line, err = r.takeDockerFlag(line); err != nil {
			return "", err
		}
	}
	if len(line) == 0 || line[0] == "" {
		return "", usage("the docker run command names no image")
	}
	r.command = append(r.command, line[1:]...)
	return line[0], nil
}

// takeDockerFlag takes the first flag of a line, and gives the rest.
func (r *runFlags) takeDockerFlag(line []string) ([]string, error) {
	known := dockerFlags()
	name, value, inline := strings.Cut(line[0], "=")
	line = line[1:]
	flag, ok := known[name]
	if !ok && !strings.HasPrefix(name, "--") && len(name) > 2 { // -eA=1, -p80:80, -dp 80:80
		if flag, ok = known[name[:2]]; ok && flag.value {
			value, inline = strings.TrimPrefix(name[2:]+cutTail(inline, value), "="), true
		} else if ok {
			line = slices.Insert(slices.Clone(line), 0, "-"+name[2:])
		}
	}
	if !ok {
		return nil, usage("docker run %s is not known here; these are: %s", name, strings.Join(slices.Sorted(maps.Keys(known)), " "))
	}
	if flag.value && !inline {
		if len(line) == 0 {
			return nil, usage("docker run %s needs a value", name)
		}
		value, line = line[0], line[1:]
	}
	return line, flag.take(r, value)
}

// cutTail puts back what strings.Cut took away.
func cutTail(found bool, after string) string {
	if !found {
		return ""
	}
	return "=" + after
}
