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
from manual_backprop.affine.swiglu_linear import swiglu_linear as swiglu_linear
from manual_backprop.convolution.conv import conv1d as conv1d
from manual_backprop.convolution.conv import conv2d as conv2d
from manual_backprop.convolution.conv import conv3d as conv3d
from manual_backprop.convolution.conv_transpose import conv_transpose1d as conv_transpose1d
from manual_backprop.convolution.conv_transpose import conv_transpose2d as conv_transpose2d
from manual_backprop.convolution.conv_transpose import conv_transpose3d as conv_transpose3d
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
from manual_backprop.loss.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from manual_backprop.loss.margin_ranking import margin_ranking_loss as margin_ranking_loss
from manual_backprop.loss.mse import mse_loss as mse_loss
from manual_backprop.loss.multi_margin import multi_margin_loss as multi_margin_loss
from manual_backprop.loss.nll import nll_loss as nll_loss
from manual_backprop.loss.poisson_nll import poisson_nll_loss as poisson_nll_loss
from manual_backprop.loss.soft_margin import soft_margin_loss as soft_margin_loss
from manual_backprop.loss.squared_error import squared_error_loss as squared_error_loss
from manual_backprop.loss.triplet_margin import triplet_margin_loss as triplet_margin_loss
from manual_backprop.normalization.batch_norm import batch_norm as batch_norm
from manual_backprop.normalization.group_norm import group_norm as group_norm
from manual_backprop.normalization.instance_norm import instance_norm as instance_norm
from manual_backprop.normalization.layer_norm import layer_norm as layer_norm
from manual_backprop.normalization.rms_norm import rms_norm as rms_norm
from manual_backprop.pooling.adaptive_avg_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from manual_backprop.pooling.adaptive_avg_pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from manual_backprop.pooling.adaptive_avg_pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from manual_backprop.pooling.adaptive_max_pool import adaptive_max_pool1d as adaptive_max_pool1d
from manual_backprop.pooling.adaptive_max_pool import adaptive_max_pool2d as adaptive_max_pool2d
from manual_backprop.pooling.adaptive_max_pool import adaptive_max_pool3d as adaptive_max_pool3d
from manual_backprop.pooling.avg_pool import avg_pool1d as avg_pool1d
from manual_backprop.pooling.avg_pool import avg_pool2d as avg_pool2d
from manual_backprop.pooling.avg_pool import avg_pool3d as avg_pool3d
from manual_backprop.pooling.max_pool import max_pool1d as max_pool1d
from manual_backprop.pooling.max_pool import max_pool2d as max_pool2d
from manual_backprop.pooling.max_pool import max_pool3d as max_pool3d
from manual_backprop.regularization.alpha_dropout import alpha_dropout as alpha_dropout
from manual_backprop.regularization.dropout import dropout as dropout
from manual_backprop.regularization.feature_dropout import dropout1d as dropout1d
from manual_backprop.regularization.feature_dropout import dropout2d as dropout2d
from manual_backprop.regularization.feature_dropout import dropout3d as dropout3d
from manual_backprop.sequence.attention_in_blocks import attention_in_blocks as attention_in_blocks
from manual_backprop.sequence.dot_product_attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from manual_backprop.sequence.embedding import embedding as embedding
from manual_backprop.sequence.embedding_bag import embedding_bag as embedding_bag
from manual_backprop.sequence.multihead_attention import (
    multi_head_attention_forward as multi_head_attention_forward,
)
from manual_backprop.sequence.rotary import rotary_embedding as rotary_embedding

__all__ = [name for name in dir() if name[0].islower()]
