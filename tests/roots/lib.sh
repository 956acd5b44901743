# shellcheck shell=sh
# A Debian of any release from where this machine has its own.

# apt_sources RELEASE: what apt here has of Debian, for that release.  Where that
# is nothing, mmdebstrap knows a mirror.
apt_sources () {
	ours=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null)
	# An origin that is not known yet: of lists that are not there yet.
	# shellcheck disable=SC2016
	apt-get indextargets 'Created-By: Packages' \
	    --format '$(COMPONENT) $(RELEASE) $(REPO_URI) $(ORIGIN)' \
	    2>/dev/null | sort -u | while read -r component part uri origin; do
		case $origin in
		Debian | '' | '$(ORIGIN)') ;;
		*) continue ;;
		esac
		case $component/$part in
		main/"$ours" | main/"$ours"-updates | main/"$ours"-security)
			echo "deb $uri $1${part#"$ours"} main" ;;
		esac
	done
}

# apt_options: proxies, and what is to be overlooked in that mirror
apt_options () {
	apt-config dump Acquire::http Acquire::https Acquire::Retries \
	    Acquire::Check-Date Acquire::Check-Valid-Until 2>/dev/null |
	    grep -v ' "";$' || :
	echo 'Acquire::Languages "none";'
}
