#!/bin/sh
# Readies this checkout: tools/setup.sh serve | test | bench
#
# Makes .venv with exactly what requirements.lock names, and the project itself on top, editable. `test` also sees to
# the programs that tests start: PostgreSQL, Redis, nginx, Caddy and Chromium; `bench` to these and wrk. On a bare Debian
# machine it installs the packages it misses when it is root, and otherwise prints the one command that does. When
# nothing has changed it says nothing and takes milliseconds.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-test}
PYTHON=${PYTHON:-python3}
venv=.venv
stamp=$venv/ready

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Debian keeps these off PATH, in a folder for each version.
has_postgres() {
    for folder in "$(dirname "$(command -v initdb || echo /nowhere/initdb)")" /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ] && return
    done
    return 1
}

# Debian keeps servers in /usr/sbin, which isn't on everybody's PATH.
has_program() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

# Debian starts a server when its package is installed, and `postgresql` makes a cluster besides. Nobody asked for a
# service on this machine (the tests run servers of their own, in temporary folders), so both are told to leave that out
# for this one installation: by a policy (invoke-rc.d: 101 forbids), unless the machine has one of its own, and by a
# setting of PostgreSQL's.
no_cluster=/etc/postgresql-common/createcluster.d/bitting-setup.conf
policy=/usr/sbin/policy-rc.d
own_policy=

allow_services_again() {
    [ -z "$own_policy" ] || rm -f "$policy"
    rm -f "$no_cluster"
    rmdir "${no_cluster%/*}" 2>/dev/null || true
}

forbid_services() {
    trap allow_services_again EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' >"$no_cluster"
    if [ ! -e "$policy" ]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
}

debian_install() {
    command -v apt-get >/dev/null || fail "Missing here: $*. (These are the names of the Debian packages.)"
    command="apt-get update && apt-get install -y --no-install-recommends $*"
    [ "$(id -u)" = 0 ] || fail "Missing Debian packages: $*" "Install them, then try again:" "    sudo sh -c '$command'"
    echo "Installing Debian packages: $*" >&2
    forbid_services
    DEBIAN_FRONTEND=noninteractive sh -c "$command" </dev/null >&2 || fail "apt-get failed; see above."
    for package in "$@"; do  # nor when the machine starts next
        systemctl disable --quiet "$package" >/dev/null 2>&1 || true
    done
}

python_is() { "$PYTHON" -c "import sys; sys.exit(not ($1))"; }

# uv comes from the lock too: its pin and hashes are one block of that file.
make_venv() {
    "$PYTHON" -m venv --clear "$venv"
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$venv/uv.txt"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$venv/uv.txt"
}

sync_venv() {
    "$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements.lock
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
}

# What the environment was made from; $PWD because its scripts and the editable install hold this folder's path.
state="$PYTHON|$PWD|$(cat requirements.lock pyproject.toml tools/setup.sh | cksum)"
missing=
if [ "$purpose" = test ] || [ "$purpose" = bench ]; then
    has_postgres || missing=postgresql
    for program in nginx caddy redis-server chromium; do
        has_program "$program" || missing="$missing $program"
    done
fi
if [ "$purpose" = bench ]; then
    has_program wrk || missing="$missing wrk"
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
    command -v "$PYTHON" >/dev/null || fail "No $PYTHON here. Bitting needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."
    python_is "sys.version_info >= (3, 11)" || fail "$PYTHON is $("$PYTHON" -V), and Bitting needs Python 3.11 or newer." \
        "If you have one under another name: make PYTHON=python3.11 ..."
    python_is "__import__('importlib.util').util.find_spec('ensurepip')" || missing="python3-venv $missing"
fi
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || debian_install $missing

if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
    echo "Setting up $venv ..." >&2
    case "$(cat "$stamp" 2>/dev/null)" in
    "$PYTHON|$PWD|"*) rm -f "$stamp" ;;
    *) make_venv ;;
    esac
    sync_venv
    printf '%s\n' "$state" >"$stamp"
fi
