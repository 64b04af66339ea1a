# Times and their medians; sourced, not run. $results is a directory, of which NAME.ms has the times of NAME, and
# $ROUNDS how many there are.

# Milliseconds that a command takes; its status does not matter here, and its output goes to $results/last.
took() {
    begin=$(date +%s%N)
    "$@" >"$results/last" 2>&1 </dev/null || true
    echo $((($(date +%s%N) - begin) / 1000000))
}

# The middle of the times of NAME.
median() {
    sort -n "$results/$1.ms" | sed -n "$(((ROUNDS + 1) / 2))p"
}

ratio() {
    awk "BEGIN { printf \"%.2f\", $1 / $2 }"
}
