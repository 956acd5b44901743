"""Where Debian's Swift (2.30) and Ceph (16.2) answer other than S3: rows of
conform.py by what these say instead.  Where S3 says the same, something else
is not so; "not so" itself is of a check that is no single answer.
Later ones may answer as S3 does.
"""

swift = {
    '200': [
        'GET If-None-Match, weak', 'HEAD If-None-Match, weak', 'crc32: wrong',
        'crc32: no base64', 'crc32: too short', 'crc32: told to who asks',
        'crc32c: wrong', 'crc32c: no base64', 'crc32c: too short',
        'crc32c: told to who asks', 'crc64nvme: wrong',
        'crc64nvme: no base64', 'crc64nvme: too short',
        'crc64nvme: told to who asks', 'sha1: wrong', 'sha1: no base64',
        'sha1: too short', 'sha1: told to who asks', 'sha256: wrong',
        'sha256: no base64', 'sha256: too short', 'sha256: told to who asks',
        'two sums', 'an algorithm and no sum', 'an algorithm and another sum',
        'refused: none of them is there',
        'a part with a wrong x-amz-checksum-crc32',
        'a part with a wrong x-amz-checksum-sha256', 'no uploads at all',
        'no parts at all',
    ],
    '204': [
        'DELETE If-Match, there is none',
    ],
    '206': [
        'If-Range, another', 'If-Range, weak', 'If-Range, another date',
    ],
    '304': [
        'GET If-None-Match good, If-Modified-Since not',
        'GET If-Match and If-None-Match',
        'HEAD If-None-Match good, If-Modified-Since not',
        'HEAD If-Match and If-None-Match',
    ],
    '412': [
        'HEAD If-Match good, If-Unmodified-Since not',
    ],
    '412 InvalidRequest': [
        'complete If-None-Match *, there is one',
    ],
    '412 PreconditionFailed': [
        'GET If-Match good, If-Unmodified-Since not',
        'DELETE If-Match, another', 'DELETE If-Match *',
        'complete If-Match, there is none', 'complete If-Match',
    ],
    '416 InvalidRange': [
        'a range that cannot be, If-Range another',
    ],
    '500 InternalError': [
        'a continuation token that is none: x',
        'a continuation token that is none: 00',
        'a continuation token that is none: l%2Fa',
        'a continuation token that is none: ',
        'a continuation token that is none: 6', 'another list-type',
    ],
    '501 NotImplemented': [
        'PUT If-None-Match *, there is one',
        'PUT If-None-Match *, there is none', 'PUT If-Match, another',
        'PUT If-Match, there is none', 'PUT If-Match',
        'PUT If-Match, that was', 'PUT If-Modified-Since',
        'PUT If-Unmodified-Since',
    ],
}

ceph = {
    '200': [
        'GET If-None-Match *', 'GET If-None-Match, weak',
        'GET If-None-Match, a list', 'HEAD If-None-Match *',
        'HEAD If-None-Match, weak', 'HEAD If-None-Match, a list',
        'PUT If-None-Match, an ETag', 'PUT If-Modified-Since',
        'PUT If-Unmodified-Since', 'crc32: wrong', 'crc32: no base64',
        'crc32: too short', 'crc32: told to who asks', 'crc32c: wrong',
        'crc32c: no base64', 'crc32c: too short', 'crc32c: told to who asks',
        'crc64nvme: wrong', 'crc64nvme: no base64', 'crc64nvme: too short',
        'crc64nvme: told to who asks', 'sha1: wrong', 'sha1: no base64',
        'sha1: too short', 'sha1: told to who asks', 'sha256: wrong',
        'sha256: no base64', 'sha256: too short', 'sha256: told to who asks',
        'two sums', 'an algorithm and no sum', 'an algorithm and another sum',
        'refused: none of them is there', 'complete If-Match, there is none',
        'complete If-None-Match *, there is one',
        'complete If-Match, another',
        'a part with a wrong x-amz-checksum-crc32',
        'a part with a wrong x-amz-checksum-sha256',
        'a part with a condition', 'a continuation token that is none: x',
        'a continuation token that is none: 00',
        'a continuation token that is none: l%2Fa',
        'a continuation token that is none: ',
        'a continuation token that is none: 6', 'another list-type',
        'another encoding-type', 'uploads in groups', 'no uploads at all',
        'no parts at all',
    ],
    '204': [
        'DELETE If-Match, another', 'DELETE If-Match, there is none',
    ],
    '206': [
        'If-Range, another', 'If-Range, weak', 'If-Range, another date',
    ],
    '304': [
        '304 has ETag and date',
    ],
    '400': [
        'HEAD If-Modified-Since, no date',
    ],
    '400 InvalidArgument': [
        'GET If-Modified-Since, no date',
    ],
    '400 InvalidObjectName': [
        'a key that is not UTF-8',
    ],
    '400 InvalidPart': [
        'and it completes',
    ],
    '404 NoSuchKey': [
        'the upload is still there',
    ],
    '412': [
        'HEAD If-Match *', 'HEAD If-Match, a list',
    ],
    '412 PreconditionFailed': [
        'GET If-Match *', 'GET If-Match, a list', 'PUT If-Match, another',
        'PUT If-Match, there is none', 'PUT If-Match',
        'PUT If-Match, that was', 'PUT If-Match and If-None-Match',
    ],
    '416 InvalidRange': [
        'a range that cannot be, If-Range another',
    ],
    'not so': [
        'all keys, 1 a page', 'all groups, 1 a page', 'all keys, 2 a page',
        'all groups, 2 a page', 'all keys, 3 a page', 'all groups, 3 a page',
        'all keys, 1000 a page', 'all groups, 1000 a page',
    ],
}
