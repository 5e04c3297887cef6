// How much of its thread's stack a call uses: a stack is filled with a pattern, and what is left of it counted.
#include <pthread.h>
#include <sys/mman.h>

#include <cstring>
#include <functional>
#include <string>

#include "support.h"

namespace {

constexpr size_t kStack = size_t{256} << 10;
constexpr unsigned char kPattern = 0xa5;

// Bytes of stack that `body` uses in a thread of its own, the thread's beginning included.
size_t StackOf(const std::function<void()>& body) {
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(stack != MAP_FAILED);
  std::memset(stack, kPattern, kStack);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstack(&attributes, stack, kStack) == 0);
  pthread_t thread;
  const auto run = [](void* body) -> void* {
    (*static_cast<const std::function<void()>*>(body))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, const_cast<void*>(static_cast<const void*>(&body))) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  const auto* bytes = static_cast<const unsigned char*>(stack);
  size_t unused = 0;
  while (unused < kStack && bytes[unused] == kPattern) ++unused;
  munmap(stack, kStack);
  return kStack - unused;
}

}  // namespace

TEST_CASE("decoding a token by the straight road uses at most 16 KiB of stack") {
  constexpr int kHeads = 4, kDim = 128;
  for (const simdrope_pairing pairing : {SIMDROPE_HALF, SIMDROPE_INTERLEAVED}) {
    simdrope::Config config(kDim);
    config.pairing = pairing;
    const auto rope = simdrope::Rope::create(config);
    REQUIRE(rope.ok());
    for (const simdrope_format format : {SIMDROPE_F32, SIMDROPE_F16, SIMDROPE_BF16}) {
      std::vector<float> q(kHeads * kDim), k = q;
      const simdrope::QKV token(simdrope::bshd(q.data(), format, 1, 1, kHeads, kDim),
                                simdrope::bshd(k.data(), format, 1, 1, kHeads, kDim));
      simdrope::Status status;
      const auto run = [&] { status = simdrope::apply(rope->stream(4000), token); };
      run();
      REQUIRE(status.ok());
      const size_t used = StackOf(run) - StackOf([] {});
      MESSAGE(used, " bytes");
      CHECK(used <= 16384);
    }
  }
}

namespace {

constexpr size_t kMostUsual = 16384 + 512;  // with GCC 12 below 16384; other compilers' frames differ
constexpr size_t kMostByHeads = 24576;
constexpr size_t kMost = 36864;

void CheckStack(const char* what, size_t most, int head_dim, const simdrope::QKV& in, const simdrope::QKV& out,
                const simdrope::Options& options) {
  const auto rope = simdrope::Rope::create(simdrope::Config(head_dim));
  REQUIRE(rope.ok());
  simdrope::Status status;
  const auto run = [&] { status = simdrope::apply(rope->stream(4000), in, out, options); };
  run();  // what is made once: the choice of a target, symbols bound at their first call
  REQUIRE(status.ok());
  const size_t used = StackOf(run) - StackOf([] {});
  MESSAGE(std::string(what), ": ", used, " bytes");
  CHECK(used <= most);
}

}  // namespace

TEST_CASE("heads of 128, token after token: at most 16 KiB of stack, whatever the format") {
  constexpr int kTokens = 40, kHeads = 4, kDim = 128;
  std::vector<float> q(kTokens * kHeads * kDim, 1.0f), k = q, weights(kDim, 1.0f), scales(kTokens * kHeads),
                                                       zeros = scales;
  std::vector<char> cache(sizeof(float) * k.size());
  const simdrope::Tensor q_tensor = simdrope::bshd(q.data(), 1, kTokens, kHeads, kDim);
  const simdrope::Tensor k_tensor = simdrope::bshd(k.data(), 1, kTokens, kHeads, kDim);
  simdrope::Options chain;
  chain.threads = 1;
  CheckStack("f32 in place", kMostUsual, kDim, {q_tensor, k_tensor}, {q_tensor, k_tensor}, chain);
  chain.q.norm = chain.k.norm = simdrope::rms_norm(weights.data());
  chain.k.hadamard = 128;
  for (const simdrope_format format : {SIMDROPE_F16, SIMDROPE_Q8_0, SIMDROPE_Q4_0, SIMDROPE_F8_E4M3, SIMDROPE_U8}) {
    simdrope::Tensor out = k_tensor;
    out.data = cache.data();
    out.format = format;
    out.scales.scale = scales.data();
    out.scales.zero_point = zeros.data();
    out.scales.batch_stride = kTokens * kHeads;
    out.scales.seq_stride = kHeads;
    out.scales.head_stride = 1;
    CheckStack(format == SIMDROPE_F16 ? "norm, Hadamard, f16" : "norm, Hadamard, quantised", kMostUsual, kDim,
               {q_tensor, k_tensor}, {q_tensor, out}, chain);
  }
}

TEST_CASE("head after head, with weights that are converted: at most 24 KiB of stack; heads of 1024: 36 KiB") {
  for (const int dim : {128, 1024}) {
    constexpr int kTokens = 6, kHeads = 4;
    std::vector<float> q(static_cast<size_t>(kTokens * kHeads * dim), 1.0f);
    std::vector<uint16_t> weights(static_cast<size_t>(dim), 0x3f80);  // 1 in bf16
    const simdrope::Tensor tensor = simdrope::bhsd(q.data(), 1, kTokens, kHeads, dim);
    const size_t most = dim == 128 ? kMostByHeads : kMost;
    simdrope::Options options;
    options.threads = 1;
    CheckStack("head after head", most, dim, tensor, tensor, options);
    for (const simdrope_norm_type type : {SIMDROPE_NORM_RMS, SIMDROPE_NORM_LAYER}) {
      options.q.norm = simdrope::rms_norm(weights.data(), simdrope::bf16);
      options.q.norm.type = type;
      CheckStack("norm, head after head", most, dim, tensor, tensor, options);
    }
    if (dim == 128) continue;
    options.output_pairing = SIMDROPE_INTERLEAVED;
    CheckStack("norm, other pairing out", most, dim, tensor, tensor, options);
  }
}
