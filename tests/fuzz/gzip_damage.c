/* pipeline/gzip: of members that we have made ourselves, any changed byte is found, or changes nothing that counts. */
#include "fuzz.h"

#include "pipeline/gzip.h"

enum {
	CONTROL_SIZE = 8, /* bytes of the input that say what is made of the rest */
	MEMBERS_LIMIT = 5,
	FILE_LIMIT = 16 << 20,
	REPEAT = 1000, /* times that the content is written, so that there are members that compress, and threads */
};

static void add_member(struct buffer *file, struct buffer *content, const void *bytes, size_t length)
{
	static char member[GZIP_MEMBER_ROOM];
	CLEANUP(cleanup_gzip_compressor) struct gzip_compressor *compressor = NULL;
	struct error error;
	size_t size = 0;
	HOLDS(gzip_compressor_new(&compressor, &error) == STATUS_OK);
	HOLDS(gzip_compress(compressor, bytes, length, member, &size, &error) == STATUS_OK);
	HOLDS(size <= gzip_member_room(length));
	HOLDS(buffer_append(file, member, size, &error) == STATUS_OK);
	HOLDS(buffer_append(content, bytes, length, &error) == STATUS_OK);
}

static void add_members(struct buffer *file, struct buffer *content, const uint8_t *control, const uint8_t *data,
						size_t size)
{
	CLEANUP(buffer_free) struct buffer bytes = BUFFER_INIT(GZIP_MEMBER_SIZE);
	for (size_t i = 0; i < (control[0] & 64 ? REPEAT : 1) && buffer_append_some(&bytes, data, size); i++) {
	}
	for (unsigned i = 0; i <= control[0] % MEMBERS_LIMIT; i++) {
		add_member(file, content, buffer_text(&bytes), bytes.length / (i + 1));
	}
}

static enum status inflate(const struct buffer *file, struct buffer *content)
{
	struct source *source = NULL;
	struct error error = {.message = ""};
	HOLDS(gzip_source_new(fuzz_source((const uint8_t *)buffer_text(file), file->length, 1000), &source, &error) ==
		  STATUS_OK);
	enum status status = fuzz_drain(source, content, &error);
	HOLDS(status == STATUS_OK || (status == STATUS_DAMAGED && error.message[0] != '\0'));
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buffer_free) struct buffer file = BUFFER_INIT(FILE_LIMIT);
	CLEANUP(buffer_free) struct buffer content = BUFFER_INIT(FILE_LIMIT);
	CLEANUP(buffer_free) struct buffer sound = BUFFER_INIT(FILE_LIMIT);
	CLEANUP(buffer_free) struct buffer damaged = BUFFER_INIT(FILE_LIMIT);
	if (size < CONTROL_SIZE) {
		return 0;
	}
	add_members(&file, &content, data, data + CONTROL_SIZE, size - CONTROL_SIZE);
	HOLDS(inflate(&file, &sound) == STATUS_OK && fuzz_same(&sound, &content));
	size_t place = (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
	file.data[place % file.length] = (char)(file.data[place % file.length] ^ data[4]);
	file.length -= data[5] < 128 ? 0 : data[5] % file.length;
	if (inflate(&file, &damaged) == STATUS_OK) {
		HOLDS(file.length == 0 || data[5] >= 128 || fuzz_same(&damaged, &content));
	}
	return 0;
}
