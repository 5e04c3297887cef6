// Calls too large for the caches take other ways through the kernels; their bytes are those of small calls. A slice
// of a large call is treated as its whole would be, so that only a few tokens need to be filled and compared.
#include <sys/mman.h>

#include <cstring>

#include "support.h"

using namespace testing;

namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kTokens = 5;  // in a slice
constexpr int64_t kQueryHeads = 6, kKeyHeads = 3;

// Memory for `bytes`, of which only what is used costs anything, after a page's boundary by `misalignment`.
class Reserved {
 public:
  Reserved(int64_t bytes, int misalignment)
      : size_(static_cast<size_t>(bytes + misalignment)),
        pages_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        misalignment_(misalignment) {
    REQUIRE(pages_ != MAP_FAILED);
  }
  ~Reserved() { munmap(pages_, size_); }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  char* data() const { return static_cast<char*>(pages_) + misalignment_; }

 private:
  size_t size_;
  void* pages_;
  int misalignment_;
};

struct LargeWindow {
  int head_dim, rotary_dim, offset;
};

enum class Layout { kBSHD, kBHSD, kFused };  // fused: a token of Q is followed by K's, and that by the next token's

struct LargeCase {
  LargeWindow window;
  Format format;
  Pairing pairing;
  Layout layout;
  bool in_place;
  int misalignment;
  int64_t bytes;  // of Q's output, at least
};

simdrope::Tensor View(void* data, const LargeCase& c, int64_t seq, int64_t heads) {
  const int64_t head_dim = c.window.head_dim;
  if (c.layout == Layout::kBHSD) return simdrope::bhsd(data, c.format, 1, seq, heads, head_dim);
  simdrope::Tensor t = simdrope::bshd(data, c.format, 1, seq, heads, head_dim);
  if (c.layout == Layout::kFused) t.seq_stride = (kQueryHeads + kKeyHeads) * head_dim;
  return t;
}

// Tokens [first, first + kTokens) of t.
simdrope::Tensor TokensOf(simdrope::Tensor t, int64_t first) {
  t.data = ElementOf(t, 0, first, 0, 0);
  t.seq = kTokens;
  return t;
}

template <class Visit>
void ForRows(const simdrope::Tensor& t, const Visit& visit) {
  const size_t bytes = static_cast<size_t>(t.head_dim * simdrope::size_of(t.format));
  ForHeads(t, [&](int64_t b, int64_t s, int64_t h) { visit(ElementOf(t, b, s, h, 0), bytes, s, h); });
}

void Fill(const simdrope::Tensor& t, Random* random) {
  ForRows(t, [&](void* row, size_t, int64_t, int64_t) {
    for (int64_t i = 0; i < t.head_dim; ++i) {
      Store(Rounded(random->Real(-4, 4), t.format), t.format,
            static_cast<char*>(row) + i * simdrope::size_of(t.format));
    }
  });
}

bool SameRows(const simdrope::Tensor& a, const simdrope::Tensor& b) {
  bool same = true;
  ForRows(a, [&](void* row, size_t bytes, int64_t s, int64_t h) {
    same = same && std::memcmp(row, ElementOf(b, 0, s, h, 0), bytes) == 0;
  });
  return same;
}

// Whether slices at the beginning, the middle and the end of the call equal small calls.
void CheckSlices(const LargeCase& c, Random* random) {
  const int64_t row = c.window.head_dim * simdrope::size_of(c.format);
  const int64_t slices = c.bytes / (row * kQueryHeads * kTokens) + 1;
  const int64_t seq = slices * kTokens;

  simdrope::Config config(c.window.head_dim);
  config.rotary_dim = c.window.rotary_dim;
  config.rotary_offset = c.window.offset;
  config.pairing = c.pairing;
  const simdrope::Rope rope = *simdrope::Rope::create(config);

  const int64_t q_bytes = kQueryHeads * row, token_bytes = (kQueryHeads + kKeyHeads) * row;
  const auto views = [&](char* data, int64_t tokens) {
    simdrope::QKV qkv;
    qkv.q = View(data, c, tokens, kQueryHeads);
    qkv.k = View(data + (c.layout == Layout::kFused ? q_bytes : tokens * q_bytes), c, tokens, kKeyHeads);
    return qkv;
  };
  const Reserved from(seq * token_bytes, c.misalignment), to(seq * token_bytes, c.misalignment);
  const simdrope::QKV in = views(from.data(), seq);
  const simdrope::QKV out = c.in_place ? in : views(to.data(), seq);

  Buffer small(kTokens * token_bytes);
  const simdrope::QKV small_out = views(static_cast<char*>(small.data()), kTokens);
  simdrope::QKV small_in;

  for (const int64_t slice : {int64_t{0}, slices / 2, slices - 1}) {
    CAPTURE(slice);
    const int64_t first = slice * kTokens;
    small_in.q = TokensOf(in.q, first);
    small_in.k = TokensOf(in.k, first);
    Fill(small_in.q, random);
    Fill(small_in.k, random);
    REQUIRE(simdrope::apply(rope.stream(first), small_in, small_out).ok());

    simdrope::Options options;
    options.slice_index = slice;
    options.slice_count = slices;
    REQUIRE(simdrope::apply(rope.stream(0), in, out, options).ok());
    CHECK(SameRows(TokensOf(out.q, first), small_out.q));
    CHECK(SameRows(TokensOf(out.k, first), small_out.k));
  }
  CHECK(small.GuardsIntact());
}

}  // namespace

TEST_CASE("large calls, past the caches and with prefetching, give the bytes of small ones") {
  constexpr LargeWindow kWindows[] = {{128, 128, 0}, {192, 64, 128}, {256, 64, 0},  {48, 48, 0}, {80, 80, 0},
                                      {112, 112, 0}, {96, 96, 0},    {144, 80, 64}, {66, 34, 2}};
  Random random(21);
  ForEachTarget([&](const simdrope_target&) {
    for (const LargeWindow& window : kWindows) {
      for (const Format format : kFormats) {
        for (const Pairing pairing : {simdrope::half, simdrope::interleaved}) {
          for (const Layout layout : {Layout::kBSHD, Layout::kBHSD, Layout::kFused}) {
            for (const int64_t bytes : {17 * kMiB, 70 * kMiB, 200 * kMiB}) {
              for (const bool in_place : {false, true}) {
                for (const int misalignment : {0, 4, 32}) {
                  if (IsQuick() && !random.Chance(16)) continue;
                  CAPTURE(window.head_dim);
                  CAPTURE(NameOf(format));
                  CAPTURE(pairing);
                  CAPTURE(static_cast<int>(layout));
                  CAPTURE(bytes);
                  CAPTURE(in_place);
                  CAPTURE(misalignment);
                  CheckSlices({window, format, pairing, layout, in_place, misalignment, bytes}, &random);
                }
              }
            }
          }
        }
      }
    }
  });
}
