# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# PostgreSQL in the manner of the official image "postgres:16-alpine": the same
# variables, user (uid 70), folders and start-up; PostgreSQL 17 out of Debian 13.

build_image() {
    local root=$1 major=17 bin
    unpack trixie "$root" "postgresql-$major" "postgresql-client-$major" locales zstd xz-utils
    # Compiles expressions at run time with a library that is not unpacked: queries that cost much would fail.
    rm -rf "$root/usr/lib/postgresql/$major/lib/"llvmjit* "$root/usr/lib/postgresql/$major/lib/bitcode"
    # The official image's locale; dumps made there name it.
    note "compiling the locale en_US.UTF-8"
    chroot "$root" localedef -i en_US -f UTF-8 en_US.UTF-8
    rm -rf "$root/usr/share/i18n" "$root/usr/share/locale"
    add_user "$root" postgres 70 70 /var/lib/postgresql
    # Debian's programs are wrappers of postgresql-common; these are the real ones.
    for bin in "$root/usr/lib/postgresql/$major/bin/"*; do
        ln -sfn "../lib/postgresql/$major/bin/${bin##*/}" "$root/usr/bin/${bin##*/}"
    done
    sed -i "s/^#\?listen_addresses = .*/listen_addresses = '*'/" \
        "$root/usr/share/postgresql/$major/postgresql.conf.sample"
    install -D -m 755 "$stack_dir/postgres/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
    mkdir -p "$root/docker-entrypoint-initdb.d" "$root/var/lib/postgresql/data" "$root/run/postgresql"
    chown -R 70:70 "$root/var/lib/postgresql" "$root/run/postgresql"
    chmod 3777 "$root/run/postgresql"
    chmod 1777 "$root/var/lib/postgresql/data"
    changes=(
        "ENV LANG=en_US.utf8 PG_MAJOR=$major PGDATA=/var/lib/postgresql/data PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$major/bin"
        'VOLUME /var/lib/postgresql/data'
        'EXPOSE 5432'
        'ENTRYPOINT ["docker-entrypoint.sh"]'
        'CMD ["postgres"]'
        'STOPSIGNAL SIGINT'
    )
}
