"""The hand-written functions under the names and signatures of ``torch.nn.functional``."""

from manual_backprop.activation.exponential_rectifiers import celu as celu
from manual_backprop.activation.exponential_rectifiers import elu as elu
from manual_backprop.activation.exponential_rectifiers import selu as selu
from manual_backprop.activation.gated import geglu as geglu
from manual_backprop.activation.gated import glu as glu
from manual_backprop.activation.gated import swiglu as swiglu
from manual_backprop.activation.gelu import gelu as gelu
from manual_backprop.activation.hard import hardsigmoid as hardsigmoid
from manual_backprop.activation.hard import hardswish as hardswish
from manual_backprop.activation.hard import hardtanh as hardtanh
from manual_backprop.activation.hard import relu6 as relu6
from manual_backprop.activation.log_sigmoid import logsigmoid as logsigmoid
from manual_backprop.activation.mish import mish as mish
from manual_backprop.activation.prelu import prelu as prelu
from manual_backprop.activation.rectifiers import leaky_relu as leaky_relu
from manual_backprop.activation.rectifiers import relu as relu
from manual_backprop.activation.rectifiers import threshold as threshold
from manual_backprop.activation.shrinks import hardshrink as hardshrink
from manual_backprop.activation.shrinks import softshrink as softshrink
from manual_backprop.activation.shrinks import tanhshrink as tanhshrink
from manual_backprop.activation.sigmoids import sigmoid as sigmoid
from manual_backprop.activation.sigmoids import tanh as tanh
from manual_backprop.activation.smooth_rectifiers import silu as silu
from manual_backprop.activation.smooth_rectifiers import softplus as softplus
from manual_backprop.activation.softmax import log_softmax as log_softmax
from manual_backprop.activation.softmax import softmax as softmax
from manual_backprop.activation.softmin import softmin as softmin
from manual_backprop.activation.softsign import softsign as softsign
from manual_backprop.affine.activated_linear import activated_linear as activated_linear
from manual_backprop.affine.bilinear import bilinear as bilinear
from manual_backprop.affine.linear import linear as linear
from manual_backprop.distance.cosine_similarity import cosine_similarity as cosine_similarity
from manual_backprop.distance.normalize import normalize as normalize
from manual_backprop.loss.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from manual_backprop.loss.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from manual_backprop.loss.cosine_embedding import cosine_embedding_loss as cosine_embedding_loss
from manual_backprop.loss.cross_entropy import cross_entropy as cross_entropy
from manual_backprop.loss.gaussian_nll import gaussian_nll_loss as gaussian_nll_loss
from manual_backprop.loss.hinge_embedding import hinge_embedding_loss as hinge_embedding_loss
from manual_backprop.loss.huber import huber_loss as huber_loss
from manual_backprop.loss.huber import smooth_l1_loss as smooth_l1_loss
from manual_backprop.loss.kl_div import kl_div as kl_div
from manual_backprop.loss.l1 import l1_loss as l1_loss
from manual_backprop.loss.margin_ranking import margin_ranking_loss as margin_ranking_loss
from manual_backprop.loss.mse import mse_loss as mse_loss
from manual_backprop.loss.multi_margin import multi_margin_loss as multi_margin_loss
from manual_backprop.loss.nll import nll_loss as nll_loss
from manual_backprop.loss.poisson_nll import poisson_nll_loss as poisson_nll_loss
from manual_backprop.loss.soft_margin import soft_margin_loss as soft_margin_loss
from manual_backprop.loss.squared_error import squared_error_loss as squared_error_loss
from manual_backprop.loss.triplet_margin import triplet_margin_loss as triplet_margin_loss

__all__ = [name for name in dir() if not name.startswith("_")]
