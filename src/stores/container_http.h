/*
 * container_http.h - one request to a server, made from inside its own container.
 *
 * A store's port need not be published, and a container's address cannot be reached from everywhere; its own loopback
 * interface can, with nothing but bash, which all images of these servers have.
 */
#ifndef WHISPERBACKUP_STORES_CONTAINER_HTTP_H
#define WHISPERBACKUP_STORES_CONTAINER_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "runtimes/runtime.h"

/*
 * The body of the reply to GET `path` on 127.0.0.1:`port` is appended to `body`, *ret_code gets the HTTP status.
 * STATUS_UNAVAILABLE if nothing answers or the container ends meanwhile, STATUS_NOT_FOUND if the container has no bash
 * to ask with.
 */
enum status container_http_get(struct runtime *runtime, const struct container *container, unsigned port,
							   const char *path, int *ret_code, struct buffer *body, struct error *error) MUST_CHECK;

/* The same for POST with a JSON text as its body; it may take two minutes. A body that takes longer is cut off there,
 * and no answer at all until then is blameless. */
enum status container_http_post(struct runtime *runtime, const struct container *container, unsigned port,
								const char *path, const char *json, int *ret_code, struct buffer *body,
								struct error *error) MUST_CHECK;

/* Whether the HTTP status means that the server cannot answer just now, whatever it holds: too many requests (RFC
 * 6585), bad gateway, not available, gateway's timeout (RFC 9110, 15.6), no room (RFC 4918). 500 is none of these. */
bool container_http_is_busy(int code);

/* STATUS_OK if something listens on 127.0.0.1:`port`; the failures are those of container_http_get. */
enum status container_http_listens(struct runtime *runtime, const struct container *container, unsigned port,
								   struct error *error) MUST_CHECK;

#endif
