#!/bin/sh
# Makes .venv from requirements/dev.lock, and does nothing when it is up to date. Needs Python 3.11 or newer with its
# venv module. PYTHON=/path/to/python chooses one.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "make: $1" >&2
    exit 1
}

new_enough() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

works() {
    new_enough .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null
}

stamp=.venv/made-from
wanted=$(cat requirements/dev.lock pyproject.toml | cksum)
if [ -x .venv/bin/leads ] && [ "$(cat $stamp 2>/dev/null || true)" = "$wanted" ] && new_enough .venv/bin/python; then
    exit 0
fi

if ! works; then
    python=$(find_python)
    [ -n "$python" ] || fail "Python 3.11 or newer is needed; found $(python3 --version 2>&1 || echo none). \
Install it, or say where it is: make run PYTHON=/path/to/python3.11"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module. \
On Debian and Ubuntu: apt-get install python3-venv"
    echo "making the virtual environment in .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi

total=$(grep -cE '^[a-z0-9]' requirements/dev.lock)
echo "installing $total locked packages (only the first time, and when requirements/dev.lock changes)"
rm -f $stamp
log=.venv/install.log
.venv/bin/python -m pip install --disable-pip-version-check --no-input --require-hashes -r requirements/dev.lock \
    >$log 2>&1 &
pip=$!
# pip's own lines are hundreds; one when something has come tells as much.
shown=0
while kill -0 $pip 2>/dev/null; do
    sleep 2
    fetched=$(grep -cE '^(Collecting|Processing|Requirement)' $log || true)
    [ "$fetched" = "$shown" ] || echo "  $fetched of $total fetched"
    [ "$fetched" = "$shown" ] || shown=$fetched
done
wait $pip || { tail -n 20 $log >&2; fail "pip could not install the packages; the whole log is $log"; }
.venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation -e . \
    >>$log 2>&1 || { tail -n 20 $log >&2; fail "the project itself could not be installed; the whole log is $log"; }
echo "$wanted" >$stamp
