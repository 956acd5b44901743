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

# npm_settings FOLDER: where npm here goes, and whose certificates it takes, as
# Debian's npm reads it for all users, into that /etc; tokens stay here
npm_settings () {
	command -v npm >/dev/null || return 0
	for key in registry proxy https-proxy noproxy strict-ssl; do
		value=$(cd / && npm config get "$key" 2>/dev/null) || continue
		case $value in
		'' | null | undefined) ;;
		*) echo "$key=$value" ;;
		esac
	done >"$1/npmrc"
	trusted=$(cd / && npm config get cafile 2>/dev/null) || trusted=''
	[ -f "$trusted" ] || trusted=${NODE_EXTRA_CA_CERTS-}
	[ ! -f "$trusted" ] || {
		cp -L -- "$trusted" "$1/npm-trusted.pem"
		echo cafile=/etc/npm-trusted.pem >>"$1/npmrc"
	}
}
