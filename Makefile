# SPDX-License-Identifier: MIT
#
# GNU make, not recursive; everything that is made goes below $(BUILD).
# "make help" lists the targets.  Nothing outside make runs while this file is
# read: the compiler itself may still have to be installed by "deps".
#
# One tree of objects for each variant:
#   $(BUILD)/obj   the product, hardened          SAN=none
#   $(BUILD)/asan  address and undefined          SAN=address
#   $(BUILD)/tsan  thread                         SAN=thread
#   $(BUILD)/fuzz  libFuzzer, by clang            make fuzz
# Programs are made with SAN=none and tests with SAN=address if SAN is not set.

VERSION = 0.1.0
BUILD = build
PREFIX = /usr/local
DESTDIR =
FUZZ_SECONDS = 60
SOAK_SECONDS = 3600

ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin AR),default)
AR = ar
endif
FUZZ_CC = clang

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL = all

# ---- what is there -----------------------------------------------------------

sources := $(sort $(foreach room,base core host app,$(wildcard src/$(room)/*.c)))
daemons := $(patsubst src/%.c,%,$(wildcard src/lanspan-*.c))
cli := $(sort $(wildcard src/lanspan/*.c))
programs := $(daemons) $(if $(cli),lanspan)

# lib*.c and tests/lib/*.c have no main: they go into the tests' own archive.
tests_in = $(filter-out $(wildcard tests/$(1)/lib*.c),$(wildcard tests/$(1)/$(2)))
test_helpers := $(sort $(wildcard tests/lib/*.c tests/*/lib*.c))
unit_tests := $(patsubst tests/%.c,%,$(sort $(call tests_in,unit,*_test.c)))
assume_tests := $(patsubst tests/%.c,%,$(sort $(wildcard tests/assume/*.c)))
sim_tests := $(patsubst tests/%.c,%,$(sort $(call tests_in,sim,*.c)))
fuzzers := $(patsubst tests/%.c,%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))
netns_tests := $(sort $(filter-out tests/netns/lib%.sh tests/netns/demo.sh,\
	$(wildcard tests/netns/*.sh)))
netns_helpers := $(patsubst %.c,%,$(notdir $(sort $(call tests_in,netns,*.c))))
vm_tests := $(sort $(wildcard tests/vm/[0-9]*.sh))
lab_tests := $(sort $(wildcard tests/netns/[0-9]*-lab.sh tests/netns/[0-9]*-lab-*.sh))
tools_tests := $(sort $(wildcard tests/tools/*_test.sh))
man_pages := $(sort $(wildcard man/*.[1-9]))

# ---- flags -------------------------------------------------------------------

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Werror
CPPFLAGS_ALL = -D_GNU_SOURCE -Iinclude -DLANSPAN_VERSION='"$(VERSION)"' $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(WARN) -fPIE -MMD -MP $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,--as-needed $(LDFLAGS)
# The second AEAD engine, where its library is installed; MB= builds without it.
MB ?= $(wildcard /usr/include/intel-ipsec-mb.h)
CPPFLAGS_ALL += $(if $(MB),-DHAVE_IPSEC_MB)
LIBS = $(if $(MB),-lIPSec_MB) -lssl -lcrypto -lmnl -liniparser -ljansson \
	-lnatpmp -lminiupnpc -lpcap -lpthread

hardened = -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
sanitized = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all

flags_obj = $(hardened)
link_obj = -Wl,-z,relro,-z,now
core_obj = -O3
flags_asan = $(sanitized) -fsanitize=address,undefined
flags_tsan = $(sanitized) -fsanitize=thread
flags_fuzz = $(sanitized) -fsanitize=fuzzer-no-link,address,undefined
cc_fuzz = $(FUZZ_CC)

folder_none = obj
folder_address = asan
folder_thread = tsan
ifneq ($(SAN),)
ifeq ($(folder_$(SAN)),)
$(error SAN is none, address or thread, not "$(SAN)")
endif
endif
product = $(BUILD)/$(folder_$(or $(SAN),none))
tested = $(BUILD)/$(folder_$(or $(SAN),address))

# The product's own programs stand at the top of $(BUILD).
bin = $(patsubst $(BUILD)/obj,$(BUILD),$(product))

# ---- rules of one variant ----------------------------------------------------

cc_of = $(or $(cc_$(1)),$(CC))
to_obj = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

# $(1): the variant's folder.  $(2): where its programs go.
define variant
$(BUILD)/$(1)/flags: FORCE | deps-build
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$$(call cc_of,$(1)) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) \
		$$(flags_$(1)) $$(core_$(1)))' >$$@.new.$$$$$$$$ && \
	if cmp -s $$@.new.$$$$$$$$ $$@; then rm $$@.new.$$$$$$$$; else mv $$@.new.$$$$$$$$ $$@; fi

$(BUILD)/$(1)/%.o: %.c $(BUILD)/$(1)/flags | deps-build
	@mkdir -p $$(@D)
	@echo "CC $$@"
	@$$(call cc_of,$(1)) $$(CPPFLAGS_ALL) $$(if $$(filter tests/%,$$<),-Itests) $$(CFLAGS_ALL) \
		$$(flags_$(1)) $$(if $$(filter src/core/%,$$<),$$(core_$(1))) -c -o $$@ $$<

# The tests' own objects wait for the tests' packages as well.
$$(call to_obj,$(1),$$(test_helpers) $$(unit_tests:%=tests/%.c) $$(assume_tests:%=tests/%.c) \
	$$(sim_tests:%=tests/%.c) $$(fuzzers:%=tests/%.c) tests/fuzz/replay_main.c): | deps-test

$(BUILD)/$(1)/liblanspan.a: $$(call to_obj,$(1),$$(sources))
	@mkdir -p $$(@D)
	@$$(AR) rcs $$@.$$$$$$$$ $$^ && mv $$@.$$$$$$$$ $$@

$(BUILD)/$(1)/libtests.a: $$(call to_obj,$(1),$$(test_helpers))
	@mkdir -p $$(@D)
	@$$(AR) rcs $$@.$$$$$$$$ $$^ && mv $$@.$$$$$$$$ $$@

$$(daemons:%=$(2)/%): $(2)/%: $(BUILD)/$(1)/src/%.o $(BUILD)/$(1)/liblanspan.a
	@echo "LD $$@"
	@$$(call cc_of,$(1)) $$(flags_$(1)) $$(link_$(1)) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS)

$(2)/lanspan: $$(call to_obj,$(1),$$(cli)) $(BUILD)/$(1)/liblanspan.a
	@echo "LD $$@"
	@$$(call cc_of,$(1)) $$(flags_$(1)) $$(link_$(1)) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS) \
		-lncurses

$$(netns_helpers:%=$(2)/netns/%): $(2)/netns/%: $(BUILD)/$(1)/tests/netns/%.o
	@mkdir -p $$(@D)
	@echo "LD $$@"
	@$$(call cc_of,$(1)) $$(flags_$(1)) $$(LDFLAGS_ALL) -o $$@ $$^ $$(if $$(filter %.a,$$^),$$(LIBS))

# Some are made of the product's own rooms.
$(2)/netns/streamproxy $(2)/netns/hostile-relay: $(BUILD)/$(1)/libtests.a \
		$(BUILD)/$(1)/liblanspan.a

$$(unit_tests:%=$(BUILD)/$(1)/%) $$(assume_tests:%=$(BUILD)/$(1)/%) \
		$$(sim_tests:%=$(BUILD)/$(1)/%): $(BUILD)/$(1)/%: \
		$(BUILD)/$(1)/tests/%.o $(BUILD)/$(1)/libtests.a $(BUILD)/$(1)/liblanspan.a | deps-test
	@mkdir -p $$(@D)
	@echo "LD $$@"
	@$$(call cc_of,$(1)) $$(flags_$(1)) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS) -lcmocka

-include $$(wildcard $$(patsubst %.o,%.d,$$(call to_obj,$(1),$$(sources) $$(cli) $$(test_helpers) \
	$$(daemons:%=src/%.c) $$(netns_helpers:%=tests/netns/%.c) \
	$$(unit_tests:%=tests/%.c) $$(assume_tests:%=tests/%.c) $$(sim_tests:%=tests/%.c) \
	$$(fuzzers:%=tests/%.c) tests/fuzz/replay_main.c)))
endef

$(eval $(call variant,obj,$(BUILD)))
$(eval $(call variant,asan,$(BUILD)/asan))
$(eval $(call variant,tsan,$(BUILD)/tsan))
$(eval $(call variant,fuzz,$(BUILD)/fuzz))

$(BUILD)/fuzz/flags: | deps-fuzz

# A fuzz target replays its corpus under gcc, and explores under libFuzzer.
$(fuzzers:%=$(BUILD)/asan/%): $(BUILD)/asan/%: $(BUILD)/asan/tests/%.o \
		$(BUILD)/asan/tests/fuzz/replay_main.o $(BUILD)/asan/libtests.a $(BUILD)/asan/liblanspan.a
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) $(flags_asan) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(fuzzers:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/%.o \
		$(BUILD)/fuzz/libtests.a $(BUILD)/fuzz/liblanspan.a
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(FUZZ_CC) $(flags_fuzz) -fsanitize=fuzzer $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The daemon with the packets' cipher left out, for the benchmark alone.
$(BUILD)/bench/lanspan-bridge: $(BUILD)/obj/src/lanspan-bridge.o $(BUILD)/obj/tests/bench/plain.o \
		$(BUILD)/obj/liblanspan.a
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) $(flags_obj) $(link_obj) -Wl,--wrap=aead_seal,--wrap=aead_open $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# What only moves bytes, likewise.
$(BUILD)/bench/bare: $(BUILD)/obj/tests/bench/bare.o $(BUILD)/obj/liblanspan.a
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) $(flags_obj) $(link_obj) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Sites around a relay, for its benchmark.
crowd = crowd caller load
$(BUILD)/bench/crowd: $(call to_obj,obj,$(crowd:%=tests/bench/%.c)) \
		$(BUILD)/obj/liblanspan.a
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) $(flags_obj) $(link_obj) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
-include $(wildcard $(BUILD)/obj/tests/bench/*.d)

# ---- targets for people ------------------------------------------------------

.PHONY: FORCE all deps deps-build deps-test deps-demo deps-fuzz deps-vm demo test test-programs \
	test-unit test-assume test-sim test-fuzz test-netns test-man test-tools test-checks \
	vm-images vm-test vm-netns fuzz soak bench bench-capture bench-relay layers size lint \
	install uninstall clean help

all: ## build the programs into build/ (the default)
all: $(programs:%=$(bin)/%)

deps: ## install the Debian packages that build, tests and demo need
	@tools/deps.sh build test demo
deps-build:
	@tools/deps.sh build
deps-test: | deps-build
	@tools/deps.sh test
deps-demo: | deps-build
	@tools/deps.sh demo
deps-fuzz: | deps-test
	@tools/deps.sh fuzz
deps-vm: | deps-test
	@tools/deps.sh vm

demo: ## three sites and a relay on this machine, in network namespaces
demo: all | deps-demo
	@BIN=$(bin) tests/netns/demo.sh

test_env = BIN='$(bin)' PATIENCE=$(or $(PATIENCE),$(if $(SAN:none=),4,1)) \
	LANSPAN_TEST_OUT='$(BUILD)/test' SAN='$(SAN)'
# With + a command shares the jobs of make -j; with make -n none is to run.
share_jobs = $(if $(findstring n,$(firstword -$(MAKEFLAGS))),,+)
run_tests = $(share_jobs)@$(test_env) tools/run-tests.sh
make_tests = $(MAKE) -k --no-print-directory test-programs
netns_programs = $(programs:%=$(bin)/%) $(netns_helpers:%=$(bin)/netns/%)
unit_args = unit $(unit_tests:%=$(tested)/%)
assume_args = assume $(assume_tests:%=$(tested)/%)
sim_args = sim $(sim_tests:%=$(tested)/%)
fuzz_args = fuzz $(fuzzers:%=$(BUILD)/asan/%)
check_args = check layers=tools/layers.sh size=tools/size.sh

test-programs: $(netns_programs) $(unit_tests:%=$(tested)/%) $(assume_tests:%=$(tested)/%) \
	$(sim_tests:%=$(tested)/%) \
	$(fuzzers:%=$(BUILD)/asan/%)

test: ## everything below that starts with test-, counted in one closing line; LONG=1: stories watch for longer
test: | deps-test
	$(run_tests) $(check_args) 'build=$(make_tests)' \
		-- $(unit_args) -- $(assume_args) -- tools $(tools_tests) -- $(sim_args) -- $(fuzz_args) \
		-- netns $(netns_tests) -- man $(man_pages)

test-checks: ## layers and size
	$(run_tests) $(check_args)
test-unit: ## one program for each room
test-unit: $(unit_tests:%=$(tested)/%)
	$(run_tests) $(unit_args)
test-assume: ## what is taken for granted about the kernel
test-assume: $(assume_tests:%=$(tested)/%)
	$(run_tests) $(assume_args)
test-sim: ## the core on a virtual clock, with a bad network
test-sim: $(sim_tests:%=$(tested)/%)
	$(run_tests) $(sim_args)
test-fuzz: ## each fuzz target over its corpus and fixed mutations of it
test-fuzz: $(fuzzers:%=$(BUILD)/asan/%)
	$(run_tests) $(fuzz_args)
test-netns: ## the programs in network namespaces
test-netns: $(netns_programs) | deps-test
	$(run_tests) netns $(netns_tests)
test-man: ## the manual pages are well formed
test-man: | deps-test
	$(run_tests) man $(man_pages)
test-tools: ## the checks find what they are for
test-tools: $(programs:%=$(bin)/%) | deps-build
	$(run_tests) tools $(tools_tests)

# Images for guests: Debian's kernel, and busybox around one script each.
vm = $(BUILD)/vm
$(vm)/linux/release: vm/kernel.sh | deps-vm
	@vm/kernel.sh $(@D)
guest_modules = virtio_pci virtio_net virtio-rng e1000 8021q bonding bridge
$(vm)/guest.gz: vm/guest-init vm/image.sh $(vm)/linux/release
	@echo "VM $@"
	@vm/image.sh $(vm)/linux $< $@ $(guest_modules)
$(vm)/guest.iso: vm/iso.sh $(vm)/guest.gz
	@echo "VM $@"
	@vm/iso.sh $(vm)/linux $(vm)/guest.gz $@
netns_modules = virtio_pci virtio-rng 9pnet_virtio 9p overlay
$(vm)/netns.gz: vm/netns-init vm/image.sh $(vm)/linux/release
	@echo "VM $@"
	@vm/image.sh $(vm)/linux $< $@ $(netns_modules)

vm-images: ## kernel, initramfs and CD of guests, into build/vm
vm-images: $(vm)/guest.gz $(vm)/guest.iso $(vm)/netns.gz
vm-test: ## guests in QEMU, emulated: labs over a relay, and namespaces under Debian's kernel
vm-test: $(netns_programs) vm-images
	$(share_jobs)@$(test_env) LANSPAN_VM='$(abspath $(vm))' STORIES='$(STORIES)' tools/run-tests.sh \
		vm $(vm_tests) -- netns $(lab_tests)
vm-netns: ## the stories of tests/netns inside such guests, or STORIES="01 07 ..." of them
vm-netns: $(netns_programs) $(vm)/netns.gz
	$(share_jobs)@BIN='$(bin)' $(if $(PATIENCE),PATIENCE='$(PATIENCE)') vm/netns.sh $(vm) \
		$(if $(STORIES),$(foreach s,$(STORIES),$(filter tests/netns/$(s)%,$(netns_tests))),\
			$(netns_tests))

fuzz: ## libFuzzer on each target, FUZZ_SECONDS each (60)
fuzz: $(fuzzers:%=$(BUILD)/fuzz/%)
	@FUZZ_OUT='$(BUILD)/fuzz/found' tools/fuzz.sh $(FUZZ_SECONDS) $^

soak: ## simulator and namespaces again and again, SOAK_SECONDS (3600)
soak: $(netns_programs) $(sim_tests:%=$(tested)/%) | deps-test
	@$(test_env) tools/soak.sh $(SOAK_SECONDS) $(sim_tests:%=$(tested)/%) -- $(netns_tests)

bench: ## one table of speeds, beside other tunnels
bench: all $(BUILD)/bench/lanspan-bridge $(BUILD)/bench/bare
	@tools/deps.sh bench
	@BIN=$(bin) tests/bench/bench.sh
	@BIN=$(bin) tests/bench/capture.sh

bench-capture: ## what a capture costs, which bench tells as well
bench-capture: all
	@tools/deps.sh bench
	@BIN=$(bin) tests/bench/capture.sh

bench-relay: ## a relay: throughput beside others, copies, many sites
bench-relay: all $(BUILD)/bench/crowd
	@tools/deps.sh bench
	@BIN=$(bin) tests/bench/relay.sh

layers: ## includes point down, no cycle, every wall stands
	@tools/layers.sh
size: ## files up to 500 lines, functions up to 70
	@tools/size.sh
lint: ## both compilers, clang-tidy, cppcheck, shellcheck, mandoc
lint: | deps-build
	$(share_jobs)@BUILD='$(BUILD)' tools/lint.sh

sbin_dir = $(DESTDIR)$(PREFIX)/sbin
bin_dir = $(DESTDIR)$(PREFIX)/bin
man_dir = $(DESTDIR)$(PREFIX)/share/man
unit_dir = $(DESTDIR)$(PREFIX)/lib/systemd/system
example_dir = $(DESTDIR)$(PREFIX)/share/doc/lanspan/examples
examples = $(filter-out etc/systemd etc/wireshark etc/completion,$(wildcard etc/*))
units = $(wildcard etc/systemd/*.service)
shark_dir = $(DESTDIR)$(PREFIX)/share/lanspan/wireshark
completion_dir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

install: ## programs, manual pages, examples, units, dissector and completion below DESTDIR and PREFIX (/usr/local)
install: all
	@set -e; umask 022; \
	for p in $(daemons); do install -D -m 755 $(bin)/$$p $(sbin_dir)/$$p; done; \
	$(if $(cli),install -D -m 755 $(bin)/lanspan $(bin_dir)/lanspan;) \
	for m in $(man_pages); do mkdir -p $(man_dir)/man$${m##*.}; \
		sed 's,/usr/local,$(PREFIX),g' $$m >$(man_dir)/man$${m##*.}/$${m##*/}; \
		chmod 644 $(man_dir)/man$${m##*.}/$${m##*/}; done; \
	for e in $(examples); do \
		mkdir -p $(example_dir); cp -R $$e $(example_dir)/; \
		chmod -R u=rwX,go=rX $(example_dir); done; \
	for u in $(units); do mkdir -p $(unit_dir); \
		sed 's,@SBINDIR@,$(PREFIX)/sbin,g;s,@BINDIR@,$(PREFIX)/bin,g' $$u >$(unit_dir)/$${u##*/}; \
		chmod 644 $(unit_dir)/$${u##*/}; done; \
	install -D -m 644 etc/wireshark/lanspan.lua $(shark_dir)/lanspan.lua; \
	install -D -m 644 etc/completion/lanspan $(completion_dir)/lanspan

uninstall: ## take away what install put there
	@set -e; \
	for p in $(daemons); do rm -f $(sbin_dir)/$$p; done; \
	rm -f $(bin_dir)/lanspan; \
	for m in $(man_pages); do rm -f $(man_dir)/man$${m##*.}/$${m##*/}; done; \
	for u in $(units); do rm -f $(unit_dir)/$${u##*/}; done; \
	rm -f $(shark_dir)/lanspan.lua $(completion_dir)/lanspan; \
	rm -rf $(example_dir); \
	if [ -d $(DESTDIR)$(PREFIX)/share/doc/lanspan ]; then \
		rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/share/doc/lanspan; fi; \
	if [ -d $(shark_dir) ]; then \
		rmdir -p --ignore-fail-on-non-empty $(shark_dir); fi

clean: ## remove all that was made
	@rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
