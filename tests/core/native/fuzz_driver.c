/* Damages a JPEG again and again, decodes parts of it and resizes them. Built with AddressSanitizer: all buffers have
   their exact sizes on the heap, so that a byte too far is found. Usage: fuzz FILE SEED ROUNDS; prints what was decoded
   and what declined. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int utp_jpeg_size(const uint8_t *, int64_t, int64_t *, int64_t *);
int utp_jpeg_decode(const uint8_t *, int64_t, int, int64_t, int64_t, int64_t, int64_t, uint8_t *);
int utp_resize_crop(const uint8_t *, int64_t, int64_t, int64_t, int, int64_t, int64_t, int64_t, int64_t, uint8_t *,
                    int64_t, int64_t, int, int, int);

static int64_t below(int64_t limit) { return limit < 1 ? 0 : rand() % limit; }

static void *copy_of(const uint8_t *bytes, size_t size) {
  void *copy = malloc(size);
  memcpy(copy, bytes, size);
  return copy;
}

static int round_of(const uint8_t *sound, size_t size) {
  const size_t kept = below(4) ? size : 4 + (size_t)below((int64_t)size - 4);
  uint8_t *content = copy_of(sound, kept);
  for (int64_t i = below(6); i > 0; i--) content[below((int64_t)kept)] = (uint8_t)rand();
  int64_t height = 0, width = 0;
  int is_decoded = 0;
  if (utp_jpeg_size(content, (int64_t)kept, &height, &width) == 0 && height * width < 4000000) {
    const int divisor = 1 << below(4);
    const int64_t h = (height + divisor - 1) / divisor, w = (width + divisor - 1) / divisor;
    const int64_t box_height = 1 + below(h), box_width = 1 + below(w);
    uint8_t *pixels = malloc((size_t)(box_height * box_width * 3));
    is_decoded = utp_jpeg_decode(content, (int64_t)kept, divisor, below(h - box_height + 1), below(w - box_width + 1),
                                 box_height, box_width, pixels) == 0;
    if (is_decoded) {
      const int64_t out_height = 1 + below(40), out_width = 1 + below(40);
      uint8_t *out = malloc((size_t)(out_height * out_width * 3));
      const int64_t part_height = 1 + below(box_height), part_width = 1 + below(box_width);
      if (utp_resize_crop(pixels, box_height, box_width, 3 * box_width, 3, below(box_height - part_height + 1),
                          below(box_width - part_width + 1), part_height, part_width, out, out_height, out_width,
                          rand() & 1, rand() & 1, !below(4)))
        abort();
      free(out);
    }
    free(pixels);
  }
  free(content);
  return is_decoded;
}

int main(int count, char **arguments) {
  static uint8_t sound[1 << 20];
  if (count != 4) return 2;
  FILE *file = fopen(arguments[1], "rb");
  if (!file) return 2;
  const size_t size = fread(sound, 1, sizeof sound, file);
  fclose(file);
  srand((unsigned)atoi(arguments[2]));
  int num_decoded = 0;
  const int rounds = atoi(arguments[3]);
  for (int i = 0; i < rounds; i++) num_decoded += round_of(sound, size);
  printf("%d %d\n", num_decoded, rounds - num_decoded);
  return 0;
}
