# For a Makefile: `make check-canaries` renders every overlay and checks what a cluster would get.
OVERLAYS := $(wildcard overlays/*)
CHECKED := $(OVERLAYS:%=%.checked)
.PHONY: check-canaries $(CHECKED)
check-canaries: $(CHECKED)
$(CHECKED): %.checked: %
	kustomize build $< | coalmine check --fail-on warning -
