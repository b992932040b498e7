"""Health checks as inspect, list, events tell them."""

SECOND = 1_000_000_000


def walk(x):
    for name, test in {"well": ["CMD", "true"], "ill": ["CMD-SHELL", "echo no; exit 3"], "dumb": ["CMD", "/no/such"]}.items():
        x.run(name, Healthcheck={"Test": test, "Interval": SECOND // 5, "Timeout": SECOND, "Retries": 2})
    x.run("none", Healthcheck={"Test": ["NONE"]})
    wanted = {"well": "healthy", "ill": "unhealthy", "dumb": "unhealthy"}
    for name, status in wanted.items():
        x.until(f"/containers/{name}/json", lambda c: c and (c["State"].get("Health") or {}).get("Status") == status)
    x.get("none: inspect", "/containers/none/json")
    for name in wanted:
        x.post(f"{name}: pause", f"/containers/{name}/pause")
        x.get(f"{name}: list", "/containers/json", {"filters": {"name": [name]}})
    x.get("filter healthy", "/containers/json", {"filters": {"health": ["healthy"]}})
    x.get("filter unhealthy", "/containers/json", {"filters": {"health": ["unhealthy"]}})
    x.get("filter none", "/containers/json", {"filters": {"health": ["none"]}})
    for name in wanted:
        # How many probes there were is a matter of time; how the last one is told is not.
        replies = x.quietly("GET", f"/containers/{name}/json")
        for reply in replies:
            health = reply.body["State"].get("Health", {})
            reply.body = {"Status": health.get("Status"), "keys": sorted(health), "last": (health.get("Log") or [None])[-1]}
        x.compare(f"{name}: inspect", replies)
