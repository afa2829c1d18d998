# The writes of the operator out of the API server's log, in the form of the recorded ones and in the order of their answers:
#   jq -cn --slurpfile phases PHASES --slurpfile want writes.jsonl -f audit.jq AUDIT
# PHASES holds {"at": TIME, "phase": NAME} for each phase begun.
($want | map(.case) | unique | sort_by(-length)) as $names
| [inputs | select(.stage == "ResponseComplete" and .objectRef.namespace == "rec"
    and (.verb | IN("create", "update", "patch", "delete")))]
| sort_by(.stageTimestamp)[]
| . as $e
| (.objectRef.name // .requestObject.metadata.name // "") as $name
| (if .objectRef.resource == "events" then .responseObject.involvedObject.name
   else first($names[] as $n | select($name == $n or ($name | startswith($n + "-"))) | $n) // "" end) as $case
| {case: $case, phase: ([$phases[] | select(.at <= $e.requestReceivedTimestamp)] | last | .phase), verb,
   resource: .objectRef.resource, name: $name, subresource: .objectRef.subresource, code: .responseStatus.code,
   body: (.requestObject // {}), after: .responseObject}
