# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# Redis in the manner of the official image "redis:7-alpine" (user redis: uid
# 999, gid 1000; data in /data); Redis 7.0 out of Debian 12.

build_image() {
    local root=$1
    unpack bookworm "$root" redis-server redis-tools
    add_user "$root" redis 999 1000 /data
    install -D -m 755 "$stack_dir/redis/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
    mkdir -p "$root/data"
    chown 999:1000 "$root/data"
    changes=(
        'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        'VOLUME /data'
        'WORKDIR /data'
        'EXPOSE 6379'
        'ENTRYPOINT ["docker-entrypoint.sh"]'
        'CMD ["redis-server"]'
    )
}
