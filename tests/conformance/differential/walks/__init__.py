"""The walks, in the order in which they run. Each starts without containers."""

from . import create, create_bad, files, health, lifecycle, listing, streams, system, things

WALKS = {
    "system": system.walk,
    "create good": create.walk_good,
    "create bad": create_bad.walk,
    "start bad": create_bad.walk_start,
    "states": lifecycle.walk_states,
    "life": lifecycle.walk_life,
    "update": lifecycle.walk_update,
    "listing": listing.walk,
    "logs": streams.walk_logs,
    "attach": streams.walk_attach,
    "exec": streams.walk_exec,
    "archives": files.walk_archives,
    "commit": files.walk_commits,
    "top and stats": files.walk_top,
    "health": health.walk,
    "images": things.walk_images,
    "volumes": things.walk_volumes,
    "networks": things.walk_networks,
    "events": things.walk_events,
}
