"""The keys of a Ray cluster file, as ray/autoscaler/ray-schema.json of Ray 2.60 lists them."""

CLUSTER_KEYS = frozenset(
    {
        "auth",
        "available_node_types",
        "cluster_name",
        "cluster_synced_files",
        "docker",
        "file_mounts",
        "file_mounts_sync_continuously",
        "head_node_type",
        "head_setup_commands",
        "head_start_ray_commands",
        "idle_timeout_minutes",
        "initialization_commands",
        "max_workers",
        "metadata",
        "no_restart",
        "provider",
        "rsync_exclude",
        "rsync_filter",
        "setup_commands",
        "upscaling_speed",
        "worker_setup_commands",
        "worker_start_ray_commands",
    }
)
