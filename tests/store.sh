# shellcheck shell=sh
# A store for a test, behind lib.sh or where else later() is:
#
#	store OPTION...		tl-stored with a bucket "images" in ./store, until
#				the test ends; ./signer.conf signs for it;
#				its other key, RK, only reads

store () {
	printf 'AK SK rw\nRK SK ro\n' >cred
	chmod 600 cred
	mkdir store
	tl-stored --root store --credentials cred --bucket images --ready url \
	    "$@" >/dev/null 2>stored.log &
	# shellcheck disable=SC2034
	stored=$!
	# shellcheck disable=SC2016
	later 'kill $stored 2>/dev/null; wait $stored 2>/dev/null'
	i=0
	until [ -s url ] || [ "$i" -eq 500 ]; do
		i=$((i + 1))
		sleep 0.02
	done
	cat >signer.conf <<-END
	bucket = images
	endpoint = $(cat url)
	region = us-east-1
	addressing = path
	access_key = AK
	secret_key = SK
	END
	chmod 600 signer.conf
}
