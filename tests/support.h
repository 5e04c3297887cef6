// What every test shares.
#ifndef SIMDROPE_TESTS_SUPPORT_H_
#define SIMDROPE_TESTS_SUPPORT_H_

#include <doctest/doctest.h>

#include <simdrope/simdrope.hpp>

#include "support/buffer.h"
#include "support/call.h"
#include "support/random.h"
#include "support/targets.h"

#endif  // SIMDROPE_TESTS_SUPPORT_H_
