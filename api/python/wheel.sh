#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a wheel of the client that carries the server, so that `pip install` alone gives a working system: api/python/wheel.sh HONE OUT-DIR. HONE is a
# binary linked with an RPATH of $ORIGIN/lib (make wheel does that); the libraries it needs go beside it, but for those of glibc, whose version
# is in the wheel's name. PYTHON needs setuptools and wheel.
set -eu
hone=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/hone_client" "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$work/"
bin=$work/hone_client/bin
mkdir -p "$bin/lib"
strip -o "$bin/hone" "$hone"
chmod 755 "$bin/hone"
cp "$here/../../LICENSE" "$bin/LICENSE" # of the server, which is under the GPL
libraries() { # FILE: the libraries it is loaded with, but for those that belong to glibc
    ldd "$1" | awk '$3 ~ /^\// {print $3}' | grep -vE '/(libc|libm|libpthread|libdl|librt|libresolv|ld-linux[^/]*)\.so'
}
curl=$(ldconfig -p 2> /dev/null | awk '/libcurl-gnutls\.so\.4/ {print $NF; exit}') # loaded by name when it is needed
for file in $(libraries "$hone"; [ -z "$curl" ] || { echo "$curl"; libraries "$curl"; }); do
    cp -L "$file" "$bin/lib/"
done
chmod 644 "$bin/lib/"*
cat >> "$work/pyproject.toml" <<'END'

[project.scripts]
hone = "hone_client._command:main"
END
sed -i 's#"bin/hone"\]#"bin/hone", "bin/LICENSE", "bin/lib/*"]#' "$work/pyproject.toml"
platform="manylinux_$(ldd --version | sed -n '1s/.* \([0-9]*\)\.\([0-9]*\)$/\1_\2/p')_$(uname -m)"
cd "$work"
"$python" -c "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1], {'--build-option': ['--plat-name=' + sys.argv[2]]}))" "$out" "$platform" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
tail -n 1 "$work/log"
