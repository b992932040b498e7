#pragma once

#include "api/server/router.h"
#include "base/async/task.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/registry.h"
#include "engine/system.h"
#include "engine/volumes.h"

/// One function a resource: each adds its routes, in routes_<resource>.cc.
namespace berth::api {

void add_system_routes(Router& router, engine::System& system, engine::Registry& registry);
void add_container_routes(Router& router, engine::Containers& containers);
/// wait, logs, stats, attach: those that answer for as long as the container runs.
void add_container_stream_routes(Router& router, engine::Containers& containers);
/// archive, changes, export, commit.
void add_container_file_routes(Router& router, engine::Containers& containers, EventLoop& loop);
/// Experimental: without `experimental` they answer 501 as dockerd does.
void add_checkpoint_routes(Router& router, engine::Containers& containers, bool experimental);
void add_exec_routes(Router& router, engine::Containers& containers);
void add_image_routes(Router& router, engine::Images& images, EventLoop& loop);
void add_volume_routes(Router& router, engine::Volumes& volumes);
void add_network_routes(Router& router, engine::Networks& networks);
/// The rest of the API file: 501.
void add_missing_routes(Router& router);

}  // namespace berth::api
