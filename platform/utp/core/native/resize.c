/* Crops, resizes with antialiasing, flips and transposes 8-bit pictures in one pass, to the bits of torch's own kernel.

   Weights and rounding are those of ATen/native/cpu/UpSampleKernel.cpp (int16 weights for uint8): each axis has weights
   scaled by a power of two, the width is resized first, and what lies between the passes is rounded to bytes. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_AVX2 1
#else
#define HAS_AVX2 0
#endif

#ifndef UTP_SOURCE_HASH
#define UTP_SOURCE_HASH 0
#endif

#define EXPORT __attribute__((visibility("default")))

enum { DONE = 0, BAD_ARGUMENT = 1, NO_MEMORY = 2 };
enum { LANES = 16, WINDOW = 16, MAX_EDGE = 1 << 20 };

/* One axis: output i is the sum of weights[i * taps + k] * source[start[i] + k], rounded and shifted by precision. */
typedef struct {
  int size, taps, precision;
  int32_t *start;
  int16_t *weights;
  int32_t *count; /* of taps that are not padding */
} Axis;

typedef struct {
  int num_blocks;
  uint8_t *shuffles; /* of each 8 outputs: where their bytes are in the two windows */
  int16_t *weights;  /* of each 8 outputs and pair of taps: 16 */
  int32_t *windows;  /* of each 8 outputs: where the windows of the first and the last four begin */
} Blocks;

EXPORT uint32_t utp_source_hash(void) { return UTP_SOURCE_HASH; }

static double linear(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  return x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a : 0.0;
}

static void free_axis(Axis *axis) {
  free(axis->start);
  free(axis->weights);
  free(axis->count);
}

static int precision_of(double largest) {
  int precision = 0;
  while (precision < 22 && (int)(0.5 + largest * (double)(1 << (precision + 1))) < (1 << 15)) precision++;
  return precision;
}

/* Fill the exact weights of output i; returns the largest. */
static double weigh(int i, int from, double scale, double support, int is_cubic, Axis *axis, double *exact, int most) {
  const double center = scale * (i + 0.5), inverse = scale >= 1.0 ? 1.0 / scale : 1.0;
  int64_t first = (int64_t)(center - support + 0.5), last = (int64_t)(center + support + 0.5);
  double total = 0.0, largest = 0.0;
  if (first < 0) first = 0;
  if (last > from) last = from;
  int count = (int)(last - first);
  count = count < 0 ? 0 : count > most ? most : count;
  for (int k = 0; k < count; k++) {
    const double at = ((double)(k + first) - center + 0.5) * inverse;
    exact[k] = is_cubic ? cubic(at) : linear(at);
    total += exact[k];
  }
  for (int k = 0; k < count; k++) {
    if (total != 0.0) exact[k] /= total;
    if (exact[k] > largest) largest = exact[k];
  }
  axis->start[i] = (int32_t)first;
  axis->count[i] = count;
  return largest;
}

static int make_axis(Axis *axis, int from, int to, int is_cubic, int is_flipped) {
  const double scale = (double)from / to, support = (is_cubic ? 2.0 : 1.0) * (scale >= 1.0 ? scale : 1.0);
  const int most = (int)ceil(support) * 2 + 1, taps = (most + 1) / 2 * 2;
  double largest = 0.0, *exact = calloc((size_t)to * (size_t)taps, sizeof *exact);
  int most_used = 0;
  axis->size = to;
  axis->start = malloc((size_t)to * sizeof *axis->start);
  axis->count = malloc((size_t)to * sizeof *axis->count);
  axis->weights = calloc((size_t)to * (size_t)taps, sizeof *axis->weights);
  if (!exact || !axis->start || !axis->count || !axis->weights) {
    free(exact);
    return NO_MEMORY;
  }
  for (int i = 0; i < to; i++) {
    const double found = weigh(i, from, scale, support, is_cubic, axis, exact + (size_t)i * taps, most);
    if (found > largest) largest = found;
    if (axis->count[i] > most_used) most_used = axis->count[i];
  }
  axis->precision = precision_of(largest);
  axis->taps = most_used < 1 ? 2 : (most_used + 1) / 2 * 2;
  for (int i = 0; i < to; i++)
    for (int k = 0; k < axis->count[i]; k++) {
      const double value = exact[(size_t)i * taps + k] * (double)(1 << axis->precision);
      axis->weights[(size_t)i * axis->taps + k] = (int16_t)(value < 0 ? value - 0.5 : value + 0.5);
    }
  free(exact);
  for (int i = 0, j = to - 1; is_flipped && i < j; i++, j--) {
    const int32_t start = axis->start[i], count = axis->count[i];
    axis->start[i] = axis->start[j], axis->count[i] = axis->count[j];
    axis->start[j] = start, axis->count[j] = count;
    for (int k = 0; k < axis->taps; k++) {
      int16_t *a = axis->weights + (size_t)i * axis->taps + k, *b = axis->weights + (size_t)j * axis->taps + k, w = *a;
      *a = *b, *b = w;
    }
  }
  return DONE;
}

static inline uint8_t as_byte(int32_t sum, int precision) {
  sum >>= precision;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One row of pixels into three rows of channels. */
static void split_row(const uint8_t *row, int pixel_bytes, int width, uint8_t *planes, size_t plane) {
  for (int x = 0; x < width; x++, row += pixel_bytes)
    planes[x] = row[0], planes[plane + x] = row[1], planes[2 * plane + x] = row[2];
}

static void across(const uint8_t *planes, size_t plane, const Axis *axis, int16_t *out, size_t stride) {
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < axis->size; i++) {
      const int16_t *weights = axis->weights + (size_t)i * axis->taps;
      const uint8_t *source = planes + c * plane + axis->start[i];
      int32_t sum = 1 << (axis->precision - 1);
      for (int k = 0; k < axis->count[i]; k++) sum += weights[k] * source[k];
      out[c * stride + i] = as_byte(sum, axis->precision);
    }
}

/* Weighs rows against each other, bytes as words; each holds a multiple of LANES. */
static void down(const int16_t *const *rows, const int16_t *weights, int count, int precision, uint8_t *out, int width) {
  int32_t sums[LANES];
  for (int x = 0; x < width; x += LANES) {
    for (int i = 0; i < LANES; i++) sums[i] = 1 << (precision - 1);
    for (int k = 0; k < count; k++)
      for (int i = 0; i < LANES; i++) sums[i] += weights[k] * rows[k][x + i];
    const int num = width - x < LANES ? width - x : LANES;
    for (int i = 0; i < num; i++) out[x + i] = as_byte(sums[i], precision);
  }
}

#if HAS_AVX2
#define AVX2 __attribute__((target("avx2")))

static void free_blocks(Blocks *blocks) {
  free(blocks->shuffles);
  free(blocks->weights);
  free(blocks->windows);
}

/* Lay the axis out for eight outputs at once. 0 where four outputs need more source than a window holds. */
static int make_blocks(Blocks *blocks, const Axis *axis) {
  const int num = (axis->size + 7) / 8, pairs = axis->taps / 2;
  blocks->num_blocks = num;
  blocks->shuffles = malloc((size_t)num * 32);
  blocks->weights = calloc((size_t)num * (size_t)pairs, 32);
  blocks->windows = calloc((size_t)num, 2 * sizeof *blocks->windows);
  if (!blocks->shuffles || !blocks->weights || !blocks->windows) return 0;
  memset(blocks->shuffles, 0x80, (size_t)num * 32); /* zero */
  for (int four = 0; four < 2 * num; four++) {
    const int from = 4 * four, to = from + 4 < axis->size ? from + 4 : axis->size;
    if (from >= to) break;
    const int ends[] = {axis->start[from], axis->start[to - 1]};
    const int low = ends[0] < ends[1] ? ends[0] : ends[1], high = ends[0] < ends[1] ? ends[1] : ends[0];
    if (high - low + 2 > WINDOW) return 0;
    blocks->windows[four] = low;
    for (int i = from; i < to; i++)
      for (int side = 0; side < 2; side++) {
        blocks->shuffles[16 * four + 4 * (i - from) + 2 * side] = (uint8_t)(axis->start[i] - low + side);
        for (int pair = 0; pair < pairs; pair++)
          blocks->weights[((size_t)(four / 2) * pairs + pair) * 16 + four % 2 * 8 + 2 * (i - from) + side] =
              axis->weights[(size_t)i * axis->taps + 2 * pair + side];
      }
  }
  return 1;
}

/* Of channel c, byte i of its row is byte 3 * i + c of 48: where it is in the first, second and third 16; 0x80 gives 0. */
static const uint8_t PICKS[3][3][16] = {
    {{0, 3, 6, 9, 12, 15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 5, 8, 11, 14, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 4, 7, 10, 13}},
    {{1, 4, 7, 10, 13, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 0, 3, 6, 9, 12, 15, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2, 5, 8, 11, 14}},
    {{2, 5, 8, 11, 14, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 1, 4, 7, 10, 13, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},
     {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 3, 6, 9, 12, 15}}
};

AVX2 static void split_row_avx2(const uint8_t *row, int pixel_bytes, int width, uint8_t *planes, size_t plane) {
  int x = 0;
  if (pixel_bytes == 4) {
    const __m128i grouped = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (; x + 16 <= width; x += 16) {
      __m128i p[4];
      for (int i = 0; i < 4; i++)
        p[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(row + 4 * x + 16 * i)), grouped);
      const __m128i rg = _mm_unpacklo_epi32(p[0], p[1]), rg2 = _mm_unpacklo_epi32(p[2], p[3]);
      const __m128i ba = _mm_unpackhi_epi32(p[0], p[1]), ba2 = _mm_unpackhi_epi32(p[2], p[3]);
      _mm_storeu_si128((__m128i *)(planes + x), _mm_unpacklo_epi64(rg, rg2));
      _mm_storeu_si128((__m128i *)(planes + plane + x), _mm_unpackhi_epi64(rg, rg2));
      _mm_storeu_si128((__m128i *)(planes + 2 * plane + x), _mm_unpacklo_epi64(ba, ba2));
    }
  } else {
    for (; x + 16 <= width; x += 16) {
      const __m128i *source = (const __m128i *)(row + 3 * x);
      const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1), d = _mm_loadu_si128(source + 2);
      for (int c = 0; c < 3; c++) {
        const __m128i *pick = (const __m128i *)PICKS[c];
        const __m128i ab = _mm_or_si128(_mm_shuffle_epi8(a, _mm_loadu_si128(pick)),
                                        _mm_shuffle_epi8(b, _mm_loadu_si128(pick + 1)));
        _mm_storeu_si128((__m128i *)(planes + c * plane + x),
                         _mm_or_si128(ab, _mm_shuffle_epi8(d, _mm_loadu_si128(pick + 2))));
      }
    }
  }
  for (; x < width; x++)
    for (int c = 0; c < 3; c++) planes[c * plane + x] = row[(size_t)x * pixel_bytes + c];
}

AVX2 static inline __attribute__((always_inline)) void across_pairs(const uint8_t *planes, size_t plane,
                                                                    const Blocks *blocks, int precision, int pairs,
                                                                    int16_t *out, size_t stride) {
  const __m256i half = _mm256_set1_epi32(1 << (precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(precision), most = _mm_set1_epi16(255);
  for (int b = 0; b < blocks->num_blocks; b++) {
    const __m256i shuffle = _mm256_loadu_si256((const __m256i *)blocks->shuffles + b);
    const uint8_t *first = planes + blocks->windows[2 * b], *last = planes + blocks->windows[2 * b + 1];
    __m256i sums[3] = {half, half, half};
    for (int pair = 0; pair < pairs; pair++) {
      const __m256i weights = _mm256_loadu_si256((const __m256i *)blocks->weights + (size_t)b * pairs + pair);
      for (int c = 0; c < 3; c++) {
        const __m128i *low = (const __m128i *)(first + c * plane + 2 * pair);
        const __m128i *high = (const __m128i *)(last + c * plane + 2 * pair);
        const __m256i source = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)),
                                                       _mm_loadu_si128(high), 1);
        sums[c] = _mm256_add_epi32(sums[c], _mm256_madd_epi16(_mm256_shuffle_epi8(source, shuffle), weights));
      }
    }
    for (int c = 0; c < 3; c++) {
      const __m256i sum = _mm256_sra_epi32(sums[c], shift);
      const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
      _mm_storeu_si128((__m128i *)(out + c * stride + 8 * b),
                       _mm_min_epi16(_mm_max_epi16(words, _mm_setzero_si128()), most));
    }
  }
}

AVX2 static void across_avx2(const uint8_t *planes, size_t plane, const Blocks *blocks, const Axis *axis, int16_t *out,
                             size_t stride) {
  switch (axis->taps / 2) { /* unrolled for the usual numbers of taps */
    case 1: across_pairs(planes, plane, blocks, axis->precision, 1, out, stride); break;
    case 2: across_pairs(planes, plane, blocks, axis->precision, 2, out, stride); break;
    case 3: across_pairs(planes, plane, blocks, axis->precision, 3, out, stride); break;
    default: across_pairs(planes, plane, blocks, axis->precision, axis->taps / 2, out, stride);
  }
}

AVX2 static inline __attribute__((always_inline)) void down_pairs(const int16_t *const *rows, const __m256i *pairs,
                                                                  int num_pairs, int precision, uint8_t *out,
                                                                  int width) {
  const __m256i half = _mm256_set1_epi32(1 << (precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(precision);
  for (int x = 0; x < width; x += LANES) {
    __m256i low = half, high = half;
    for (int pair = 0; pair < num_pairs; pair++) {
      const __m256i a = _mm256_loadu_si256((const __m256i *)(rows[2 * pair] + x));
      const __m256i b = _mm256_loadu_si256((const __m256i *)(rows[2 * pair + 1] + x));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), pairs[pair]));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), pairs[pair]));
    }
    const __m256i words = _mm256_packs_epi32(_mm256_sra_epi32(low, shift), _mm256_sra_epi32(high, shift));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (width - x >= LANES) {
      _mm_storeu_si128((__m128i *)(out + x), bytes);
    } else {
      uint8_t last[LANES];
      _mm_storeu_si128((__m128i *)last, bytes);
      memcpy(out + x, last, (size_t)(width - x));
    }
  }
}

/* `rows` and `weights` hold an even number, the last perhaps at weight 0. */
AVX2 static void down_avx2(const int16_t *const *rows, const int16_t *weights, int count, int precision, uint8_t *out,
                           int width) {
  enum { MOST = 32 }; /* pairs that are laid out; more taps than that are rare */
  __m256i pairs[MOST];
  const int num = (count + 1) / 2;
  for (int pair = 0; pair < num && pair < MOST; pair++) {
    const uint32_t second = (uint32_t)(uint16_t)weights[2 * pair + 1] << 16;
    pairs[pair] = _mm256_set1_epi32((int32_t)((uint16_t)weights[2 * pair] | second));
  }
  switch (num) { /* unrolled for the usual numbers of taps */
    case 1: down_pairs(rows, pairs, 1, precision, out, width); break;
    case 2: down_pairs(rows, pairs, 2, precision, out, width); break;
    case 3: down_pairs(rows, pairs, 3, precision, out, width); break;
    case 4: down_pairs(rows, pairs, 4, precision, out, width); break;
    default:
      if (num <= MOST) down_pairs(rows, pairs, num, precision, out, width);
      else down(rows, weights, count, precision, out, width);
  }
}
#endif

/* What the passes share: a row of the source by channel, and the newest rows of the right width. */
typedef struct {
  const uint8_t *source;
  int64_t row_bytes;
  int pixel_bytes, width;
  uint8_t *planes;
  int16_t *ring; /* bytes, as the words that the second pass multiplies */
  const int16_t **rows;
  size_t plane, stride;
  int ring_rows, num_done;
} Pass;

static void next_row(Pass *pass, const Axis *x_axis, const Blocks *blocks) {
  const uint8_t *row = pass->source + pass->num_done * pass->row_bytes;
  int16_t *out = pass->ring + (size_t)(pass->num_done % pass->ring_rows) * 3 * pass->stride;
#if HAS_AVX2
  if (blocks) {
    split_row_avx2(row, pass->pixel_bytes, pass->width, pass->planes, pass->plane);
    across_avx2(pass->planes, pass->plane, blocks, x_axis, out, pass->stride);
    pass->num_done++;
    return;
  }
#endif
  (void)blocks;
  split_row(row, pass->pixel_bytes, pass->width, pass->planes, pass->plane);
  across(pass->planes, pass->plane, x_axis, out, pass->stride);
  pass->num_done++;
}

static void run(Pass *pass, const Axis *x_axis, const Axis *y_axis, const Blocks *blocks, int has_avx2, uint8_t *out) {
  const size_t out_plane = (size_t)x_axis->size * (size_t)y_axis->size;
  for (int y = 0; y < y_axis->size; y++) {
    const int start = y_axis->start[y], count = y_axis->count[y];
    const int16_t *weights = y_axis->weights + (size_t)y * y_axis->taps;
    while (pass->num_done < start + count) next_row(pass, x_axis, blocks);
    for (int c = 0; c < 3; c++) {
      uint8_t *target = out + c * out_plane + (size_t)y * (size_t)x_axis->size;
      for (int k = 0; k < count; k++)
        pass->rows[k] = pass->ring + (size_t)((start + k) % pass->ring_rows) * 3 * pass->stride + c * pass->stride;
      if (count % 2) pass->rows[count] = pass->rows[count - 1]; /* at weight 0 */
#if HAS_AVX2
      if (has_avx2) {
        down_avx2(pass->rows, weights, count, y_axis->precision, target, x_axis->size);
        continue;
      }
#endif
      down(pass->rows, weights, count, y_axis->precision, target, x_axis->size);
    }
  }
  (void)has_avx2;
}

/* Resize the box of `source` ((height, width) pixels of 3 or 4 bytes, rows row_bytes apart) into out (3, out_height,
   out_width); is_plain leaves the processor's vectors out. Returns DONE, BAD_ARGUMENT or NO_MEMORY. */
EXPORT int utp_resize_crop(const uint8_t *source, int64_t height, int64_t width, int64_t row_bytes, int pixel_bytes,
                           int64_t top, int64_t left, int64_t box_height, int64_t box_width, uint8_t *out,
                           int64_t out_height, int64_t out_width, int is_cubic, int is_flipped, int is_plain) {
  if (!source || !out || (pixel_bytes != 3 && pixel_bytes != 4) || height > MAX_EDGE || width > MAX_EDGE ||
      box_height < 1 || box_width < 1 || out_height < 1 || out_width < 1 || out_height > MAX_EDGE ||
      out_width > MAX_EDGE || top < 0 || left < 0 || top > height - box_height || left > width - box_width ||
      row_bytes < width * pixel_bytes)
    return BAD_ARGUMENT;
  Axis x_axis = {0}, y_axis = {0};
  Blocks blocks = {0};
  Pass pass = {.source = source + top * row_bytes + left * pixel_bytes,
               .row_bytes = row_bytes, .pixel_bytes = pixel_bytes, .width = (int)box_width};
  int status = NO_MEMORY, has_avx2 = 0, has_blocks = 0;
  if (make_axis(&x_axis, (int)box_width, (int)out_width, is_cubic, is_flipped)) goto end;
  if (make_axis(&y_axis, (int)box_height, (int)out_height, is_cubic, 0)) goto end;
  pass.plane = (size_t)box_width + (size_t)x_axis.taps + 2 * WINDOW; /* windows reach beyond the end, at weight 0 */
  pass.stride = ((size_t)out_width + LANES - 1) / LANES * LANES + LANES;
  pass.ring_rows = y_axis.taps;
  pass.planes = calloc(3, pass.plane);
  pass.ring = calloc((size_t)pass.ring_rows, 3 * pass.stride * sizeof *pass.ring);
  pass.rows = malloc((size_t)y_axis.taps * sizeof *pass.rows);
  if (!pass.planes || !pass.ring || !pass.rows) goto end;
#if HAS_AVX2
  has_avx2 = !is_plain && __builtin_cpu_supports("avx2");
  has_blocks = has_avx2 && make_blocks(&blocks, &x_axis);
#endif
  (void)is_plain;
  run(&pass, &x_axis, &y_axis, has_blocks ? &blocks : NULL, has_avx2, out);
  status = DONE;
end:
  free_axis(&x_axis);
  free_axis(&y_axis);
#if HAS_AVX2
  free_blocks(&blocks);
#endif
  free(pass.planes);
  free(pass.ring);
  free(pass.rows);
  return status;
}
