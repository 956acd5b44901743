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
#	tl-context	the files of a context, so that a change is noticed (but
#			for names with blanks, which make cannot have)

TL_BUILD       ?= tl-build
TL_CONTEXT     ?= tl-context
TL_BUILD_FLAGS ?=
TL_WORK        ?= .tl

tl-context = $(shell $(TL_CONTEXT) --list -0 $(1) 2>/dev/null | \
	tr '\0' '\n' | sed -n '/ /d;s,^[0-9]*	-	,$(1)/,p')

%.plan.json:
	tl-plan -n $(notdir $*) -f $< $(<D) >$@.part
	mv $@.part $@

%.template.json:
	@mkdir -p $(TL_WORK)
	if [ -e $(TL_WORK)/$(notdir $*)/command ]; then \
	    exec $(TL_BUILD) --resume $(TL_WORK)/$(notdir $*) >$@.part; \
	else \
	    exec $(TL_BUILD) $(TL_BUILD_FLAGS) -n $(notdir $*) \
	        --work $(TL_WORK)/$(notdir $*) $< >$@.part; \
	fi
	mv $@.part $@
	rm -rf $(TL_WORK)/$(notdir $*)
