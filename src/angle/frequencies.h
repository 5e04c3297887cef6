// inv_freq of every pair, and the attention factor, from a Config.
#ifndef SIMDROPE_ANGLE_FREQUENCIES_H_
#define SIMDROPE_ANGLE_FREQUENCIES_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

// Writes inv_freq[0 .. pairs), in radians per position, of a checked config, in double. `dim` is the width over
// which the exponent runs: inv_freq[i] = theta^(-2i / dim) before scaling (RoFormer, arXiv 2104.09864).
//
//   LINEAR        / factor                                  (arXiv 2306.15595)
//   LLAMA3        long waves / factor, short ones kept, blended between (transformers, Llama 3.1)
//   NTK           theta * factor^(d / (d - 2))              (NTK-aware; Hunyuan's alpha)
//   DYNAMIC       theta * (f S / L - (f - 1))^(d / (d - 2)), S = max(seq_len, L)  (transformers;
//                 vLLM keeps S = L * factor, that is: set seq_len so)
//   YARN          interpolation / factor below the correction range, kept above (arXiv 2309.00071)
//   LONGROPE      / factors[i], or / long_factors[i] once seq_len > L (arXiv 2402.13753)
//   PROPORTIONAL  int(proportion * d / 2) live frequencies, exponent over the whole d, zeros after
//                 (transformers, Gemma 4)
//   FREQ_FACTORS  / factors[i], then / factor if given      (llama.cpp rope_freqs)
//   EXPLICIT      factors[i] itself
void InvFreq(const simdrope_config& config, int32_t pairs, double* inv_freq);

// The same as PyTorch models have it: in the order of operations of transformers' modeling_rope_utils, each result on
// float tensors rounded to float (powers correctly), and what is computed there on Python's numbers in double.
void FloatInvFreq(const simdrope_config& config, int32_t pairs, double* inv_freq);

// What cos and sin are multiplied by: scaling.attention_factor if given, else YaRN's
// m(mscale) / m(mscale_all_dim) or m(1) with m(k) = 0.1 k ln(factor) + 1, LongRoPE's
// sqrt(1 + ln factor / ln L), else 1.
double AttentionFactor(const simdrope_config& config);

}  // namespace simdrope::impl

#endif  // SIMDROPE_ANGLE_FREQUENCIES_H_
