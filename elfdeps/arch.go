package elfdeps

import "debug/elf"

// arch is what the loaders know of one machine. The multiarch triplets are
// Debian's, the platform names are those of the kernel's AT_PLATFORM and
// glibc's $PLATFORM, the musl names are those of its configure script.
type arch struct {
	triplets  []string
	lib       []string // directories beside lib, of glibc built for this machine
	platforms []string
	musl      []string // ARCH in ld-musl-ARCH.so.1
}

// archOf returns the names for the machine that f is for.
func archOf(f *File) arch {
	switch f.Machine {
	case elf.EM_X86_64:
		if f.Class == 32 {
			return arch{one("x86_64-linux-gnux32"), one("libx32"), one("x86_64"), one("x32")}
		}
		return arch{one("x86_64-linux-gnu"), one("lib64"), []string{"x86_64", "haswell", "xeon_phi"}, one("x86_64")}
	case elf.EM_386:
		return arch{one("i386-linux-gnu"), one("lib32"), []string{"i686", "i586", "i486", "i386"}, one("i386")}
	case elf.EM_AARCH64:
		return arch{one("aarch64-linux-gnu"), one("lib64"), one("aarch64"), ended(f, "aarch64", "aarch64_be")}
	case elf.EM_ARM:
		return arch{
			[]string{"arm-linux-gnueabihf", "arm-linux-gnueabi"},
			nil,
			[]string{"v8l", "v7l", "v6l", "v5l"},
			[]string{"armhf", "arm", "armebhf", "armeb"},
		}
	case elf.EM_RISCV:
		return arch{one("riscv64-linux-gnu"), []string{"lib64/lp64d", "lib64"}, one("riscv64"), []string{"riscv64", "riscv32"}}
	case elf.EM_LOONGARCH:
		return arch{one("loongarch64-linux-gnu"), one("lib64"), one("loongarch64"), one("loongarch64")}
	default:
		return olderArch(f)
	}
}

// olderArch is archOf for machines seldom seen in images.
func olderArch(f *File) arch {
	switch f.Machine {
	case elf.EM_PPC64:
		return arch{
			ended(f, "powerpc64le-linux-gnu", "powerpc64-linux-gnu"), one("lib64"),
			[]string{"power10", "power9", "power8", "power7"},
			ended(f, "powerpc64le", "powerpc64"),
		}
	case elf.EM_PPC:
		return arch{one("powerpc-linux-gnu"), nil, one("powerpc"), one("powerpc")}
	case elf.EM_S390:
		if f.Class == 32 {
			return arch{one("s390-linux-gnu"), nil, nil, nil}
		}
		return arch{one("s390x-linux-gnu"), one("lib64"), []string{"z16", "z15", "z14", "z13"}, one("s390x")}
	case elf.EM_MIPS:
		if f.Class == 64 {
			return arch{
				ended(f, "mips64el-linux-gnuabi64", "mips64-linux-gnuabi64"), one("lib64"), nil,
				ended(f, "mips64el", "mips64"),
			}
		}
		return arch{ended(f, "mipsel-linux-gnu", "mips-linux-gnu"), nil, nil, ended(f, "mipsel", "mips")}
	default:
		return arch{}
	}
}

func one(s string) []string { return []string{s} }

// ended returns the name for the byte order of f.
func ended(f *File, little, big string) []string {
	if f.BigEndian {
		return one(big)
	}
	return one(little)
}

// libNames returns the values that $LIB may have: it depends on how the
// distribution built its glibc.
func (a arch) libNames() []string {
	var names []string
	for _, t := range a.triplets {
		names = append(names, "lib/"+t)
	}
	names = append(names, a.lib...)
	return append(names, "lib")
}

// systemDirs returns the directories that a glibc for this machine has built
// in, of all distributions at once: the ELF header of what is found there
// tells them apart.
func (a arch) systemDirs() []string {
	var dirs []string
	for _, lib := range a.libNames() {
		dirs = append(dirs, lib, "usr/"+lib)
	}
	return dirs
}

// legacyHwcaps returns the subdirectories for better processors that glibc
// before 2.37 searched beside glibc-hwcaps, as far as distributions used them.
func legacyHwcaps() []string {
	return []string{
		"tls", "haswell", "xeon_phi", "x86_64", "sse2", "i586", "i686", "i686/cmov", "i686/sse2",
		"atomics", "neon", "vfp", "power8", "power9", "z13", "z14", "z15",
	}
}
