package trace

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	const perfmon, bpf, admin = 1 << 38, 1 << 39, 1 << 21
	good := machine{object: true, arch: "amd64", caps: admin}
	for name, tc := range map[string]struct {
		change func(*machine)
		want   string // "" for a machine that can
	}{
		"root":             {func(*machine) {}, ""},
		"two capabilities": {func(m *machine) { m.caps = perfmon | bpf }, ""},
		"one of them":      {func(m *machine) { m.caps = bpf }, "CAP_PERFMON"},
		"nobody":           {func(m *machine) { m.caps = 0 }, "CAP_BPF"},
		"architecture":     {func(m *machine) { m.object, m.arch = false, "s390x" }, "s390x"},
		"no BTF":           {func(m *machine) { m.btf = fs.ErrNotExist }, "CONFIG_DEBUG_INFO_BTF"},
		"broken BTF":       {func(m *machine) { m.btf = errors.New("odd") }, "cannot be read: odd"},
		"no tracepoint":    {func(m *machine) { m.missing = "sys_exit" }, "sys_exit"},
		"integrity":        {func(m *machine) { m.lockdown = "integrity" }, ""},
		"confidentiality":  {func(m *machine) { m.lockdown = "confidentiality" }, "locked down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := good
			tc.change(&m)
			err := m.diagnose()
			if (err == nil) != (tc.want == "") {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				return
			}
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(err.Error(), "lathe profile import") {
				t.Errorf("the error names no alternative: %v", err)
			}
		})
	}
}
