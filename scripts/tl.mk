# tl.mk: images as make's targets.  In a Makefile:
#
#	include /usr/local/share/tl/tl.mk
#	web.template.json: web/Dockerfile $(call tl-context,web)
#
# makes and registers the image "web"; make -j makes several at once.  A build
# that failed is taken up where it was.  Each has its folder in $(TL_WORK).  What
# is registered as it would be made is not built: TL_BUILD_FLAGS=--force does.
#
#	tl-context	$(call tl-context,DIR) is a file in $(TL_WORK), newer
#			than the image if what tl-context(1) sends of DIR has
#			changed since; DIR is the context that is built of.
#			$(call tl-context,DIR,DOCKERFILE) for a Dockerfile that
#			is not DIR/Dockerfile and has its own ignore file
#	TL_BUILD_FLAGS	options for tl-build, for one image as
#			web.template.json: TL_BUILD_FLAGS = --disk-mb 2048
#	TL_NAME		the image's name: the target's, without its folder;
#			for one image as above
#
# The targets *.template.json and *.plan.json are in no context.  What recipes
# do is in tl.sh, beside this file: one command each, so that neither SHELL nor
# .ONESHELL changes it.

TL_BUILD       ?= tl-build
TL_CONTEXT     ?= $(call tl-beside,tl-context)
TL_PLAN        ?= $(call tl-beside,tl-plan)
TL_BUILD_FLAGS ?=
# One of the environment's is tl-guard's.
TL_WORK        ?= .tl
ifeq ($(origin TL_WORK),environment)
TL_WORK        := .tl
endif
TL_NAME        ?= $(notdir $*)

tl-beside = $(or $(patsubst %/tl-build,%/$1,$(filter \
	%/tl-build,$(TL_BUILD))),$1)
tl-hash  := \#
tl-space := $(subst ,, )
tl-value  = $(if $(filter undefined,$(origin $1)),,$($1))
tl-quote  = '$(subst ','\'',$1)'
tl-dir   := $(dir $(lastword $(MAKEFILE_LIST)))
tl-sh     = exec /bin/sh $(call tl-quote,$(tl-dir)tl.sh)
tl-words  = work=$(call tl-quote,$(TL_WORK)) \
	tl_context=$(call tl-quote,$(TL_CONTEXT)) \
	view=$(call tl-quote,$(call tl-value,tl-view))

# --- contexts
#
# No name of a context is in a rule, where it could be code, only that of a file
# which holds the context's digest and is rewritten when that is another.  This
# is done while make reads the rule, so that -q and -n know.  What cannot be
# read yet is for the build to say: then the file is phony, so newer than any.

# All the files, as words FILE|DIR|DOCKERFILE.
tl-contexts :=
tl-unknown  :=
tl-field = $(word $1,$(subst |, ,$2))

tl-context = $(call tl-context-of,$(or $(patsubst %/,%,$(strip $1)),$(if \
	$(strip $1),/,.)),$(if $(filter undefined,$(origin 2)),,$(strip $2)))
tl-context-of = $(call tl-check,$1)$(call tl-check,$2)$(call tl-look,$(call \
	tl-file,$1,$2),$1,$2)

tl-check = $(if $(call tl-cannot,$1),$(error tl-context: $1: make cannot have \
	$(call tl-cannot,$1) in a name; give it a link with another))
tl-cannot = $(strip $(if $(word 2,$1),blanks) $(foreach c,: ; | $$ * ? [ ] \ \
	% $(tl-hash),$(findstring $c,$1)))

tl-file = $(TL_WORK)/$(call tl-flat,$1)$(if $2,@+$(call tl-flat,$2)).context
tl-flat = $(subst /,@-,$(subst @,@@,$1))

tl-look = $(if $(filter $1|%,$(tl-contexts)),,$(call tl-look-at,$1,$2,$3))$1
tl-look-at = $(if $(tl-contexts),,$(eval tl-view := $$(tl-viewed)))$(eval \
	tl-contexts += $1|$2|$(or $3,$(patsubst ./%,%,$2/Dockerfile)))$(if \
	$(shell $(tl-sh) look $(tl-words) stamp=$(call tl-quote,$1) \
	context=$(call tl-quote,$2) file=$(call tl-quote,$3)),,$(eval \
	.PHONY: $1)$(eval tl-unknown += $1))

# What else has a say in it, as it is when the first rule is read.  Before 4.4,
# make exports nothing to $(shell).
tl-viewed = $(foreach v,PATH SOURCE_DATE_EPOCH TL_TOKEN_FILE TL_SANDBOX \
	TL_LEDGER TL_REGION_DIR HOME XDG_CONFIG_HOME XDG_STATE_HOME,$v=$(call \
	tl-quote,$(call tl-value,$v)))

# --- images
#
# tl-of is the context's words: that of the Dockerfile, or the only one.

tl-files = $(foreach c,$(tl-contexts),$(call tl-field,1,$c))
tl-those = $(filter $(addsuffix |%,$(filter $(tl-files),$^)),$(tl-contexts))
tl-of = $(or $(firstword $(filter %|$(tl-dockerfile),$(tl-those))),$(if $(word \
	2,$(tl-those)),$(error $@: which is its context? Say so with $$(call \
	tl-context,DIR,$(tl-dockerfile))),$(tl-those)))
tl-dockerfile = $(or $(if $(filter $(tl-files),$<),$(firstword $(filter-out \
	$(tl-files),$^)),$<),$(error $@: needs its Dockerfile, as the first \
	that it depends on))

# Two images of one name in one run would be one image in the end.
tl-made :=
tl-this = $(subst $(tl-space),@,$(TL_NAME))|$@
tl-only = $(call tl-only-of,$(filter-out $(tl-this),$(filter \
	$(firstword $(subst |,|% ,$(tl-this))),$(tl-made))))$(eval \
	tl-made += $$(tl-this))
tl-only-of = $(if $1,$(error $@ and $(call tl-field,2,$(firstword $1)) would \
	both be the image $(TL_NAME); give one of them another TL_NAME))

%.template.json:
	@$(tl-only)$(tl-sh) image target=$(call tl-quote,$@) \
	    name=$(call tl-quote,$(TL_NAME)) \
	    file=$(call tl-quote,$(tl-dockerfile)) \
	    context=$(call tl-quote,$(call tl-field,2,$(tl-of))) \
	    stamp=$(call tl-quote,$(call tl-field,1,$(tl-of))) \
	    unknown=$(if $(filter $(tl-unknown),$(call \
	    tl-field,1,$(tl-of))),yes) \
	    stamp_file=$(call tl-quote,$(call tl-field,3,$(tl-of))) \
	    folder=$(call tl-quote,$(TL_WORK)/$(subst /,%,$*)) \
	    tl_build=$(call tl-quote,$(TL_BUILD)) \
	    flags=$(call tl-quote,$(TL_BUILD_FLAGS)) $(tl-words) \
	    -- $(foreach p,$^,$(call tl-quote,$p))

%.plan.json:
	@$(tl-sh) plan target=$(call tl-quote,$@) \
	    name=$(call tl-quote,$(notdir $*)) file=$(call tl-quote,$<) \
	    context=$(call tl-quote,$(<D)) \
	    tl_plan=$(call tl-quote,$(TL_PLAN)) $(tl-words)
