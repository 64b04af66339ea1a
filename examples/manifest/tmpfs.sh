#!/bin/sh
# A file on a tmpfs keeps what is written to it. Prints KTAP (Documentation/dev-tools/ktap.rst of Linux).
#   tmpfs.sh DIRECTORY NAME

file="$1/$2"
echo "KTAP version 1"
echo "1..3"
if printf '%s' "$CONTENT" >"$file"; then echo "ok 1 write"; else echo "not ok 1 write"; fi
if [ "$(cat "$file")" = "$CONTENT" ]; then echo "ok 2 read back"; else echo "not ok 2 read back"; fi
if command -v setfattr >/dev/null; then
    if setfattr -n user.example -v 1 "$file"; then echo "ok 3 attribute"; else echo "ok 3 attribute # SKIP no user attributes"; fi
else
    echo "ok 3 attribute # SKIP no setfattr"
fi
rm "$file"
