# tl.mk: images as make's targets.  In a Makefile:
#
#	include /usr/local/share/tl/tl.mk
#	web.template.json: web/Dockerfile $(call tl-context,web)
#
# makes and registers the image "web"; make -j makes several at once.  A build
# that failed is taken up where it was.  Each has its folder in $(TL_WORK).
# exec, so that it is the build that gets make's signals.
#
#	TL_BUILD_FLAGS	options for tl-build, for one image as
#			web.template.json: TL_BUILD_FLAGS = --disk-mb 2048
#	TL_NAME		the image's name: the target's, without its folder;
#			for one image as above
#	tl-context	the files of a context, so that a change is noticed (but
#			for names that mean something to make or a shell)

TL_BUILD       ?= tl-build
TL_CONTEXT     ?= tl-context
TL_BUILD_FLAGS ?=
TL_WORK        ?= .tl
TL_NAME        ?= $(notdir $*)

# In a rule, a name with ";" is a command, one with "=" a variable, and so on:
# only names of letters, digits, these few marks and what is not ASCII are in it.
tl-context = $(shell $(TL_CONTEXT) --list -0 $(1) 2>/dev/null | \
	tr '\n\0' ' \n' | LC_ALL=C sed -n 's,^[0-9]*	-	,,;T; \
	\,[^A-Za-z0-9_./+@\o200-\o377-],d;s,^,$(1)/,p')

%.plan.json:
	tl-plan -n $(notdir $*) -f $< $(<D) >$@.part
	mv $@.part $@

# Two images of one name in one run would be one image in the end.
tl-only = $(if $(filter-out $@,$(tl-made-$(TL_NAME))),$(error $@ and \
	$(tl-made-$(TL_NAME)) would both be the image $(TL_NAME); give one of \
	them another TL_NAME))$(eval tl-made-$(TL_NAME) := $@)

tl-folder = $(TL_WORK)/$(subst /,%,$*)
tl-words = $(TL_NAME) $< $(TL_BUILD_FLAGS)

# A build folder that was begun with other words is of another build.  What that
# one has left elsewhere is in its ledger.
%.template.json:
	@$(tl-only)if [ -e '$(tl-folder)/command' ] && [ "$$(cat \
	    '$(tl-folder)/words' 2>/dev/null)" != '$(subst ','\'',$(tl-words))' ] && \
	    [ ! -e '$(tl-folder)/ledger' ]; then rm -rf '$(tl-folder)'; fi
	@mkdir -p '$(tl-folder)'
	@echo '$(subst ','\'',$(tl-words))' >'$(tl-folder)/words'
	if [ -e '$(tl-folder)/command' ]; then \
	    exec $(TL_BUILD) --resume '$(tl-folder)' >/dev/null; \
	else \
	    exec $(TL_BUILD) $(TL_BUILD_FLAGS) -n $(TL_NAME) \
	        --work '$(tl-folder)' $< >/dev/null; \
	fi
	cp '$(tl-folder)/template.json' $@.part
	mv $@.part $@
	[ -e '$(tl-folder)/ledger' ] || rm -rf '$(tl-folder)'
