#!/bin/sh
# Installs issuerctl @@version@@ with its man pages and completions, after its checksum was compared with the one in this file.
#   curl -fsSL @@release@@/install.sh | sh
#   curl -fsSL @@release@@/install.sh | sh -s -- --prefix /usr/local
# ISSUERCTL_DOWNLOAD is where the archives are instead of @@release@@ (a mirror: an https URL or a folder).
set -eu

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

# Sets `archive` and `expected`.
choose() {
  system=$(uname -s) machine=$(uname -m)
  # A process under Rosetta is told that it runs on Intel.
  if [ "$system-$machine" = Darwin-x86_64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then
    machine=arm64
  fi
  case $system-$machine in
    #:if linux-amd64
    Linux-x86_64 | Linux-amd64) platform=linux-amd64 expected=@@sha256:linux-amd64@@ ;;
    #:end
    #:if linux-arm64
    Linux-aarch64 | Linux-arm64) platform=linux-arm64 expected=@@sha256:linux-arm64@@ ;;
    #:end
    #:if darwin-amd64
    Darwin-x86_64) platform=darwin-amd64 expected=@@sha256:darwin-amd64@@ ;;
    #:end
    #:if darwin-arm64
    Darwin-arm64) platform=darwin-arm64 expected=@@sha256:darwin-arm64@@ ;;
    #:end
    *)
      fail "issuerctl @@version@@ has no archive for $system on $machine" \
        "build it from source: cargo install --locked --git @@project@@ --tag v@@version@@ issuerctl"
      ;;
  esac
  archive=issuerctl-@@version@@-$platform
}

# fetch FROM FILE
fetch() {
  case $1 in
    https://*)
      if command -v curl >/dev/null; then
        curl --proto '=https' --tlsv1.2 -fsSL --retry 3 -o "$2" "$1"
      elif command -v wget >/dev/null; then
        wget -q -O "$2" "$1"
      else
        fail "neither curl nor wget is installed, so nothing can be downloaded" "install one of them, and run this again"
      fi
      ;;
    /*) cp "$1" "$2" ;;
    *) fail "ISSUERCTL_DOWNLOAD is neither an https URL nor an absolute path" "give one of the two" ;;
  esac || fail "$1 could not be downloaded" "check the network and proxy (HTTPS_PROXY), or set ISSUERCTL_DOWNLOAD to a mirror"
}

checksum() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1"
  elif command -v shasum >/dev/null; then
    shasum -a 256 "$1"
  elif command -v openssl >/dev/null; then
    openssl dgst -sha256 -r "$1"
  else
    fail "no sha256sum, shasum or openssl is installed, so the download cannot be verified" "install one of them, and run this again"
  fi
}

# copy MODE FROM TO: nobody ever sees half a file, and a program that runs is not written to.
copy() {
  mkdir -p "$(dirname "$3")"
  cp "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f "$3.new" "$3"
}

main() {
  prefix=
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        [ -n "${2:-}" ] || fail "--prefix lacks its folder" "for example --prefix /usr/local"
        prefix=$2
        shift 2
        ;;
      *) fail "unknown argument $1" "the only option is --prefix DIR (by default ~/.local)" ;;
    esac
  done
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set, so there is no default folder" "give --prefix DIR"
    prefix=$HOME/.local
  fi
  # The folder that is there already decides.
  there=$prefix/bin
  while [ ! -e "$there" ]; do
    there=$(dirname "$there")
  done
  [ -d "$there" ] && [ -w "$there" ] ||
    fail "$there cannot be written to, so nothing was installed" "give --prefix DIR, or run this as a user who may"
  choose
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  fetch "${ISSUERCTL_DOWNLOAD:-@@release@@}/$archive.tar.gz" "$folder/archive.tar.gz"
  found=$(checksum "$folder/archive.tar.gz")
  [ "${found%% *}" = "$expected" ] ||
    fail "$archive.tar.gz has the checksum ${found%% *} instead of $expected, so nothing was installed" \
      "download it again; if it stays so, report it: @@project@@/security"
  tar -xzf "$folder/archive.tar.gz" -C "$folder"
  unpacked=$folder/$archive
  for page in "$unpacked"/man/*.1; do
    copy 644 "$page" "$prefix/share/man/man1/${page##*/}"
  done
  copy 644 "$unpacked/completions/issuerctl.bash" "$prefix/share/bash-completion/completions/issuerctl"
  copy 644 "$unpacked/completions/_issuerctl" "$prefix/share/zsh/site-functions/_issuerctl"
  copy 644 "$unpacked/completions/issuerctl.fish" "$prefix/share/fish/vendor_completions.d/issuerctl.fish"
  copy 755 "$unpacked/issuerctl" "$prefix/bin/issuerctl"
  printf '%s\n' "issuerctl @@version@@ is installed: $prefix/bin/issuerctl"
  case :$PATH: in
    *":$prefix/bin:"*) ;;
    *) printf '%s\n' "hint: it is not on the PATH yet: export PATH=\"$prefix/bin:\$PATH\"" ;;
  esac
}

# Only a script that was read to its end does anything.
main "$@"
