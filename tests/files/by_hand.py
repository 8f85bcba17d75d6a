"""Lines of counters, written by hand from the documentation of the format that ours follow."""

#: As the format that is followed writes them: a reset in two lines, a difference, another server, costs.
BY_HAND = """\
{"ts":"2026-01-31T12:00:00Z","server":"github","reset":true}
{"ts":"2026-01-31T12:00:00Z","server":"github","reset":true,"diff":{"input_tokens":100,"output_tokens":20,"total_tokens":120},"total":{"input_tokens":100,"output_tokens":20,"total_tokens":120}}
{"ts":"2026-01-31T12:01:00Z","server":"github","diff":{"input_tokens":50,"output_tokens":15,"total_tokens":65},"total":{"input_tokens":150,"output_tokens":35,"total_tokens":185},"tool_usage":{"search":{"calls":3,"last_called_at":"2026-01-31T12:00:59Z"}}}
{"ts":"2026-01-31T12:01:30Z","server":"jira","diff":{"input_tokens":1,"output_tokens":1,"total_tokens":2},"total":{"input_tokens":9,"output_tokens":9,"total_tokens":18},"cost_diff":{"input_micro_usd":5,"output_micro_usd":6,"cache_read_micro_usd":0,"cache_write_micro_usd":0},"cost_total":{"input_micro_usd":50,"output_micro_usd":60,"cache_read_micro_usd":0,"cache_write_micro_usd":0},"unknown":[1]}
"""
