# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
# Neo4j in the manner of the official image "neo4j:5-community": the same
# variables, user (uid and gid 7474), folders and programs. The server is
# assembled from its artifacts on Maven Central and runs on Java 17 out of
# Debian 12.

build_image() {
    local root=$1 home=$1/var/lib/neo4j dir program lib=$stack_work/neo4j-lib
    command -v mvn >/dev/null || fail "mvn is needed to get Neo4j: run scripts/install-deps.sh"
    unpack bookworm "$root" openjdk-17-jre-headless tini
    note "fetching Neo4j with Maven"
    mvn -B -q -f "$stack_dir/neo4j/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$lib" >"$stack_work/mvn.log" 2>&1 ||
        { tail -n 20 "$stack_work/mvn.log" >&2 && fail "Maven could not get Neo4j"; }
    add_user "$root" neo4j 7474 7474 /var/lib/neo4j
    mkdir -p "$home"/{bin,conf,import,labs,lib,licenses,plugins,run} "$root/data" "$root/logs" "$root/startup" "$root/opt/java"
    cp "$lib"/*.jar "$home/lib/"
    rm -rf "$lib"
    ln -s /data "$home/data"
    ln -s /logs "$home/logs"
    for dir in "$root"/usr/lib/jvm/java-17-openjdk-*; do
        ln -s "${dir#"$root"}" "$root/opt/java/openjdk"
    done
    for program in neo4j neo4j-admin cypher-shell; do
        install -m 755 "$stack_dir/neo4j/$program" "$home/bin/$program"
    done
    install -m 644 "$stack_dir/neo4j/neo4j.conf" "$home/conf/neo4j.conf"
    install -m 755 "$stack_dir/neo4j/docker-entrypoint.sh" "$root/startup/docker-entrypoint.sh"
    chown -R 7474:7474 "$home" "$root/data" "$root/logs"
    chmod 777 "$root/data" "$root/logs"
    changes=(
        'ENV JAVA_HOME=/opt/java/openjdk NEO4J_HOME=/var/lib/neo4j NEO4J_EDITION=community LANG=C.UTF-8 PATH=/var/lib/neo4j/bin:/opt/java/openjdk/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        'VOLUME ["/data","/logs"]'
        'WORKDIR /var/lib/neo4j'
        'EXPOSE 7474 7473 7687'
        'ENTRYPOINT ["tini","-g","--","/startup/docker-entrypoint.sh"]'
        'CMD ["neo4j"]'
    )
}
